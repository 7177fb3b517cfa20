import Testing

/// Templates in the style of the model families, and what Jinja2 3.1.6 makes of them when it is set
/// up as transformers does (trimmed blocks, immutable sandbox, its own `tojson`).
enum TemplateFamilies {
    /// One family's template, and its prompts for the conversations of `conversations`.
    struct Family: Sendable, CustomTestStringConvertible {
        var name: String
        var template: String
        /// For "short", "long" and "tools"; nil where the template refuses.
        var prompts: [String?]
        var testDescription: String { name }
    }

    static let tools = #"""
        [{"type": "function", "function": {"name": "weather", "description": "Weather of a\#
         <place> & \"time\"", "parameters": {"type": "object", "properties": {"city": {"ty\#
        pe": "string"}, "days": {"type": ["integer", "null"]}, "tags": {"type": "array", "\#
        items": {"type": "string"}}}, "required": ["city"]}}}]
        """#

    static let conversations: [(name: String, messages: String)] = [
        (
            "short",
            #"""
            [{"role": "user", "content": "Hëllo 日本 "}]
            """#
        ),
        (
            "long",
            #"""
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi\n\#
            there"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHey."}, {"\#
            role": "user", "content": "Bye"}]
            """#
        ),
        (
            "tools",
            #"""
            [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "",\#
             "tool_calls": [{"id": "abc123def", "type": "function", "function": {"name": "\#
            weather", "arguments": {"city": "Köln", "days": 2}}}]}, {"role": "tool", "tool\#
            _call_id": "abc123def", "content": "{\"t\": 21.5}"}]
            """#
        ),
    ]

    static let all = [
        chatml,
        llama32,
        mistralV1,
        mistralV3,
        qwen25AndHermes,
        qwen3,
        smollm3,
        phi3,
        gemma,
        deepseek,
        hermesWithTypes,
    ]

    private static let chatml = Family(
        name: "ChatML",
        template: #"""
            {% for m in messages %}{% if loop.first and m['role'] != 'system' %}
            {{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}
            {{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}
            {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
            """#,
        prompts: [
            #"""
            <|im_start|>system
            You help.<|im_end|>
            <|im_start|>user
            Hëllo 日本 <|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            Be brief.<|im_end|>
            <|im_start|>user
            Hi
            there<|im_end|>
            <|im_start|>assistant
            <think>
            hm
            </think>

            Hey.<|im_end|>
            <|im_start|>user
            Bye<|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            You help.<|im_end|>
            <|im_start|>user
            Weather?<|im_end|>
            <|im_start|>assistant
            <|im_end|>
            <|im_start|>tool
            {"t": 21.5}<|im_end|>
            <|im_start|>assistant

            """#,
        ])

    private static let llama32 = Family(
        name: "Llama 3.2",
        template: #"""
            {{- bos_token }}
            {%- if not date_string is defined %}
                {%- if strftime_now is defined %}
                    {%- set date_string = strftime_now("%d %b %Y") %}
                {%- else %}
                    {%- set date_string = "26 Jul 2024" %}
                {%- endif %}
            {%- endif %}
            {%- if messages[0]['role'] == 'system' %}
                {%- set system_message = messages[0]['content']|trim %}
                {%- set messages = messages[1:] %}
            {%- else %}
                {%- set system_message = "" %}
            {%- endif %}
            {{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
            {%- if tools is not none %}
                {{- "Environment: ipython\n" }}
            {%- endif %}
            {{- "Today Date: " + date_string + "\n\n" + system_message + "<|eot_id|>" }}
            {%- for message in messages %}
                {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_c\#
            alls' in message) %}
                    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
                    {{- message['content'] | trim + '<|eot_id|>' }}
                {%- elif 'tool_calls' in message %}
                    {%- if not message.tool_calls|length == 1 %}
                        {{- raise_exception("This model only supports single tool-calls at\#
             once!") }}
                    {%- endif %}
                    {%- set tool_call = message.tool_calls[0].function %}
                    {{- '{"name": "' + tool_call.name + '", "parameters": ' }}
                    {{- tool_call.arguments | tojson }}
                    {{- "}<|eot_id|>" }}
                {%- elif message.role == "tool" or message.role == "ipython" %}
                    {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
                    {%- if message.content is mapping or message.content is iterable %}
                        {{- message.content | tojson }}
                    {%- else %}
                        {{- message.content }}
                    {%- endif %}
                    {{- "<|eot_id|>" }}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
            {%- endif %}
            """#,
        prompts: [
            #"""
            <s><|start_header_id|>system<|end_header_id|>

            Today Date: 26 Jul 2024

            <|eot_id|><|start_header_id|>user<|end_header_id|>

            Hëllo 日本<|eot_id|><|start_header_id|>assistant<|end_header_id|>


            """#,
            #"""
            <s><|start_header_id|>system<|end_header_id|>

            Today Date: 26 Jul 2024

            Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>

            Hi
            there<|eot_id|><|start_header_id|>assistant<|end_header_id|>

            <think>
            hm
            </think>

            Hey.<|eot_id|><|start_header_id|>user<|end_header_id|>

            Bye<|eot_id|><|start_header_id|>assistant<|end_header_id|>


            """#,
            #"""
            <s><|start_header_id|>system<|end_header_id|>

            Environment: ipython
            Today Date: 26 Jul 2024

            <|eot_id|><|start_header_id|>user<|end_header_id|>

            Weather?<|eot_id|>{"name": "weather", "parameters": {"city": "Köln", "days\#
            ": 2}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>

            "{\"t\": 21.5}"<|eot_id|><|start_header_id|>assistant<|end_header_id|>


            """#,
        ])

    private static let mistralV1 = Family(
        name: "Mistral v1",
        template: #"""
            {{ bos_token }}{% for message in messages %}
            {% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
            {% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}
            {% elif message['role'] == 'system' %}{{ message['content'] ~ '\n\n' -}}
            {% else %}{{ raise_exception('Only user and assistant roles are supported!') }\#
            }{% endif %}
            {% endfor %}
            """#,
        prompts: [
            #"""
            <s>[INST] Hëllo 日本  [/INST]

            """#,
            #"""
            <s>Be brief.

            [INST] Hi
            there [/INST]
            <think>
            hm
            </think>

            Hey.</s>
            [INST] Bye [/INST]

            """#,
            nil,
        ])

    private static let mistralV3 = Family(
        name: "Mistral v3",
        template: #"""
            {%- if messages[0]["role"] == "system" %}
                {%- set system_message = messages[0]["content"] %}
                {%- set loop_messages = messages[1:] %}
            {%- else %}
                {%- set loop_messages = messages %}
            {%- endif %}
            {%- set user_messages = loop_messages | selectattr("role", "equalto", "user") \#
            | list %}
            {%- set ns = namespace(index=0) %}
            {{- bos_token }}
            {%- for message in loop_messages %}
                {%- if message["role"] == "user" %}
                    {%- if tools is not none and (message == user_messages[-1]) %}
                        {{- "[AVAILABLE_TOOLS] [" }}
                        {%- for tool in tools %}
                            {%- set tool = tool.function %}
                            {{- '{"type": "function", "function": {' }}
                            {%- for key, val in tool.items() if key != "return" %}
                                {%- if val is string %}
                                    {{- '"' + key + '": "' + val + '"' }}
                                {%- else %}
                                    {{- '"' + key + '": ' + val|tojson }}
                                {%- endif %}
                                {%- if not loop.last %}
                                    {{- ", " }}
                                {%- endif %}
                            {%- endfor %}
                            {{- "}}" }}
                            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
                        {%- endfor %}
                        {{- "[/AVAILABLE_TOOLS]" }}
                    {%- endif %}
                    {%- if loop.last and system_message is defined %}
                        {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/\#
            INST]" }}
                    {%- else %}
                        {{- "[INST] " + message["content"] + "[/INST]" }}
                    {%- endif %}
                {%- elif message.tool_calls is defined and message.tool_calls is not none %}
                    {{- "[TOOL_CALLS] [" }}
                    {%- for tool_call in message.tool_calls %}
                        {%- set out = tool_call.function|tojson %}
                        {{- out[:-1] }}
                        {{- ', "id": "' + tool_call.id + '"}' }}
                        {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }\#
            }{%- endif %}
                    {%- endfor %}
                {%- elif message["role"] == "assistant" %}
                    {{- " " + message["content"]|trim + eos_token}}
                {%- elif message["role"] == "tool" %}
                    {{- '[TOOL_RESULTS] {"content": ' + message.content|string + ", " }}
                    {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
                {%- endif %}
            {%- endfor %}
            """#,
        prompts: [
            #"""
            <s>[INST] Hëllo 日本 [/INST]
            """#,
            #"""
            <s>[INST] Hi
            there[/INST] <think>
            hm
            </think>

            Hey.</s>[INST] Be brief.

            Bye[/INST]
            """#,
            #"""
            <s>[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "weather",\#
             "description": "Weather of a <place> & "time"", "parameters": {"type": "o\#
            bject", "properties": {"city": {"type": "string"}, "days": {"type": ["inte\#
            ger", "null"]}, "tags": {"type": "array", "items": {"type": "string"}}}, "\#
            required": ["city"]}}}][/AVAILABLE_TOOLS][INST] Weather?[/INST][TOOL_CALLS\#
            ] [{"name": "weather", "arguments": {"city": "Köln", "days": 2}, "id": "ab\#
            c123def"}]</s>[TOOL_RESULTS] {"content": {"t": 21.5}, "call_id": "abc123de\#
            f"}[/TOOL_RESULTS]
            """#,
        ])

    private static let qwen25AndHermes = Family(
        name: "Qwen 2.5 and Hermes",
        template: #"""
            {%- if tools %}
                {{- '<|im_start|>system\n' }}
                {%- if messages[0]['role'] == 'system' %}
                    {{- messages[0]['content'] }}
                {%- else %}
                    {{- 'You are a helpful assistant.' }}
                {%- endif %}
                {{- "\n\n# Tools\n\n<tools>" }}
                {%- for tool in tools %}
                    {{- "\n" }}
                    {{- tool | tojson }}
                {%- endfor %}
                {{- "\n</tools><|im_end|>\n" }}
            {%- elif messages[0]['role'] == 'system' %}
                {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
            {%- endif %}
            {%- for message in messages %}
                {%- if (message.role == "user") or (message.role == "assistant" and not me\#
            ssage.tool_calls) %}
                    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end\#
            |>' + '\n' }}
                {%- elif message.role == "assistant" %}
                    {{- '<|im_start|>' + message.role }}
                    {%- for tool_call in message.tool_calls %}
                        {%- if tool_call.function is defined %}
                            {%- set tool_call = tool_call.function %}
                        {%- endif %}
                        {{- '\n<tool_call>\n{"name": "' }}
                        {{- tool_call.name }}
                        {{- '", "arguments": ' }}
                        {{- tool_call.arguments | tojson }}
                        {{- '}\n</tool_call>' }}
                    {%- endfor %}
                    {{- '<|im_end|>\n' }}
                {%- elif message.role == "tool" %}
                    {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
                        {{- '<|im_start|>user' }}
                    {%- endif %}
                    {{- '\n<tool_response>\n' }}
                    {{- message.content }}
                    {{- '\n</tool_response>' }}
                    {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
                        {{- '<|im_end|>\n' }}
                    {%- endif %}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
            {%- endif %}
            """#,
        prompts: [
            #"""
            <|im_start|>user
            Hëllo 日本 <|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            Be brief.<|im_end|>
            <|im_start|>user
            Hi
            there<|im_end|>
            <|im_start|>assistant
            <think>
            hm
            </think>

            Hey.<|im_end|>
            <|im_start|>user
            Bye<|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            You are a helpful assistant.

            # Tools

            <tools>
            {"type": "function", "function": {"name": "weather", "description": "Weath\#
            er of a <place> & \"time\"", "parameters": {"type": "object", "properties"\#
            : {"city": {"type": "string"}, "days": {"type": ["integer", "null"]}, "tag\#
            s": {"type": "array", "items": {"type": "string"}}}, "required": ["city"]}}}
            </tools><|im_end|>
            <|im_start|>user
            Weather?<|im_end|>
            <|im_start|>assistant
            <tool_call>
            {"name": "weather", "arguments": {"city": "Köln", "days": 2}}
            </tool_call><|im_end|>
            <|im_start|>user
            <tool_response>
            {"t": 21.5}
            </tool_response><|im_end|>
            <|im_start|>assistant

            """#,
        ])

    private static let qwen3 = Family(
        name: "Qwen 3",
        template: #"""
            {%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length \#
            - 1) %}
            {%- for message in messages[::-1] %}
                {%- set index = (messages|length - 1) - loop.index0 %}
                {%- if ns.multi_step_tool and message.role == "user" and
                    not(message.content.startswith('<tool_response>')) %}
                    {%- set ns.multi_step_tool = false %}
                    {%- set ns.last_query_index = index %}
                {%- endif %}
            {%- endfor %}
            {%- for message in messages %}
                {%- set content = message.content %}
                {%- set thought = '' %}
                {%- if '</think>' in content %}
                    {%- set thought = content.split('</think>')[0].rstrip('\n').split('<th\#
            ink>')[-1] %}
                    {%- set thought = thought.lstrip('\n') %}
                    {%- set content = content.split('</think>')[-1].lstrip('\n') %}
                {%- endif %}
                {{- '<|im_start|>' + message.role + '\n' }}
                {%- if message.role == 'assistant' and loop.index0 > ns.last_query_index %}
                    {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}
                {%- endif %}
                {{- content + '<|im_end|>\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
                {%- if enable_thinking is defined and enable_thinking is false %}
                    {{- '<think>\n\n</think>\n\n' }}
                {%- endif %}
            {%- endif %}
            """#,
        prompts: [
            #"""
            <|im_start|>user
            Hëllo 日本 <|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            Be brief.<|im_end|>
            <|im_start|>user
            Hi
            there<|im_end|>
            <|im_start|>assistant
            Hey.<|im_end|>
            <|im_start|>user
            Bye<|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>user
            Weather?<|im_end|>
            <|im_start|>assistant
            <think>

            </think>

            <|im_end|>
            <|im_start|>tool
            {"t": 21.5}<|im_end|>
            <|im_start|>assistant

            """#,
        ])

    private static let smollm3 = Family(
        name: "SmolLM 3",
        template: #"""
            {# ───── defaults ───── #}
            {%- if enable_thinking is not defined -%}
            {%- set enable_thinking = true -%}
            {%- endif -%}
            {%- set mode = "/think" if enable_thinking else "/no_think" -%}
            {{- "<|im_start|>system\n" -}}
            {%- if messages[0].role == "system" -%}
                {%- set system_message = messages[0].content -%}
                {%- if "/no_think" in system_message -%}
                    {%- set mode = "/no_think" -%}
                {%- endif -%}
                {%- set custom = system_message.replace("/no_think", "").replace("/think",\#
             "").rstrip() -%}
            {%- endif -%}
            {{- "Reasoning Mode: " + mode + "\n\n" -}}
            {%- if custom -%}{{ custom + "\n\n" }}{%- endif -%}
            {%- if tools -%}
                {%- for tool in tools -%}
                    {{- tool.function.name | upper ~ ": " ~ (tool.function.description | d\#
            efault("?")) ~ "\n" -}}
                {%- endfor -%}
            {%- endif -%}
            {{- "<|im_end|>\n" -}}
            {%- for message in messages -%}
                {%- set content = message.content if message.content is string else "" -%}
                {%- if message.role == "user" -%}
                    {{ "<|im_start|>" + message.role + "\n" + content + "<|im_end|>\n" }}
                {%- elif message.role == "assistant" -%}
                    {% generation %}
                    {{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}
                    {% endgeneration %}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ "<|im_start|>assistant\n" }}{%- endif -%}
            """#,
        prompts: [
            #"""
            <|im_start|>system
            Reasoning Mode: /think

            <|im_end|>
            <|im_start|>user
            Hëllo 日本 <|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            Reasoning Mode: /think

            Be brief.

            <|im_end|>
            <|im_start|>user
            Hi
            there<|im_end|>
                    <|im_start|>assistant
            <think>
            hm
            </think>

            Hey.<|im_end|>

            <|im_start|>user
            Bye<|im_end|>
            <|im_start|>assistant

            """#,
            #"""
            <|im_start|>system
            Reasoning Mode: /think

            WEATHER: Weather of a <place> & "time"
            <|im_end|>
            <|im_start|>user
            Weather?<|im_end|>
                    <|im_start|>assistant
            <|im_end|>

            <|im_start|>assistant

            """#,
        ])

    private static let phi3 = Family(
        name: "Phi 3",
        template: #"""
            {% for message in messages %}
            {% if message['role'] == 'system' and message['content'] %}
            {{'<|system|>
            ' + message['content'] + '<|end|>
            '}}{% elif message['role'] == 'user' %}{{'<|user|>
            ' + message['content'] + '<|end|>
            '}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
            ' + message['content'] + '<|end|>
            '}}{% endif %}{% endfor %}
            {% if add_generation_prompt %}{{ '<|assistant|>
            ' }}{% else %}{{ eos_token }}{% endif %}
            """#,
        prompts: [
            #"""
            <|user|>
            Hëllo 日本 <|end|>
            <|assistant|>

            """#,
            #"""
            <|system|>
            Be brief.<|end|>
            <|user|>
            Hi
            there<|end|>
            <|assistant|>
            <think>
            hm
            </think>

            Hey.<|end|>
            <|user|>
            Bye<|end|>
            <|assistant|>

            """#,
            #"""
            <|user|>
            Weather?<|end|>
            <|assistant|>
            <|end|>
            <|assistant|>

            """#,
        ])

    private static let gemma = Family(
        name: "Gemma",
        template: #"""
            {{ bos_token }}{% if messages[0]['role'] == 'system' %}
            {% set first = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}
            {% for message in messages %}
            {% if (message['role'] == 'assistant') %}{% set role = 'model' %}
            {% else %}{% set role = message['role'] %}{% endif %}
            {{ '<start_of_turn>' + role + '\n' + (first + '\n' if loop.first and first is \#
            defined else '')
               + message['content'] | trim + '<end_of_turn>\n' }}
            {% endfor %}
            {% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}
            """#,
        prompts: [
            #"""
            <s><start_of_turn>user
            Hëllo 日本<end_of_turn>

            <start_of_turn>model

            """#,
            #"""
            <s><start_of_turn>user
            Be brief.
            Hi
            there<end_of_turn>

            <start_of_turn>model
            <think>
            hm
            </think>

            Hey.<end_of_turn>

            <start_of_turn>user
            Bye<end_of_turn>

            <start_of_turn>model

            """#,
            #"""
            <s><start_of_turn>user
            Weather?<end_of_turn>

            <start_of_turn>model
            <end_of_turn>

            <start_of_turn>tool
            {"t": 21.5}<end_of_turn>

            <start_of_turn>model

            """#,
        ])

    private static let deepseek = Family(
        name: "DeepSeek",
        template: #"""
            {% if not add_generation_prompt is defined %}{% set add_generation_prompt = fa\#
            lse %}{% endif %}
            {% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}
            {%- for message in messages %}{%- if message['role'] == 'system' %}
            {% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}
            {{bos_token}}{{ns.system_prompt}}
            {%- for message in messages %}
            {%- if message['role'] == 'user' %}
            {%- set ns.is_tool = false -%}
            {{'<｜User｜>' + message['content']}}
            {%- endif %}
            {%- if message['role'] == 'assistant' and message['content'] is not none %}
            {% set content = message['content'] %}
            {% if '</think>' in content %}{% set content = content.split('</think>')[-1] %\#
            }{% endif %}
            {{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}
            {%- endif %}{%- endfor -%}
            {% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\n'}}{\#
            % endif %}
            """#,
        prompts: [
            #"""
            <s><｜User｜>Hëllo 日本 <｜Assistant｜><think>

            """#,
            #"""
            <s>Be brief.<｜User｜>Hi
            there<｜Assistant｜>

            Hey.<｜end▁of▁sentence｜><｜User｜>Bye<｜Assistant｜><think>

            """#,
            #"""
            <s><｜User｜>Weather?<｜Assistant｜><｜end▁of▁sentence｜><｜Assistant｜><think>

            """#,
        ])

    private static let hermesWithTypes = Family(
        name: "Hermes with types",
        template: #"""
            {%- macro type_of(spec) %}
            {%- set names = {"string": "str", "number": "float", "integer": "int", "boolea\#
            n": "bool"} %}
            {%- if names[spec.type] is defined %}
                {{- names[spec.type] }}
            {%- elif spec.type == "array" %}
                {{- "list[" + type_of(spec['items']) + "]" }}
            {%- elif spec.type is iterable and spec.type is not string %}
                {{- "Union[" }}
                {%- for t in spec.type %}{{- type_of({"type": t}) }}
                {%- if not loop.last %}{{- "," }}{%- endif %}{%- endfor %}
                {{- "]" }}
            {%- else %}
                {{- "Any" }}
            {%- endif %}
            {%- endmacro %}
            {%- for tool in tools or [] %}
                {%- set tool = tool.function if tool.function is defined else tool %}
                {{- tool.name + '(' }}
                {%- for name, fields in tool.parameters.properties|items %}
                    {{- name + ": " + type_of(fields) }}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- ")\n" }}
            {%- endfor %}
            {%- for message in messages %}
                {%- if loop.previtem is defined and loop.previtem.role == message.role %}{\#
            {- "+" }}{%- endif %}
                {{- message.role[0]|upper ~ ": " ~ message.content|string|length }}
                {%- if loop.nextitem is defined %}{{- " > " + loop.nextitem.role }}{%- endif %}
                {{- "\n" }}
            {%- endfor %}
            """#,
        prompts: [
            #"""
            U: 9

            """#,
            #"""
            S: 9 > user
            U: 8 > assistant
            A: 25 > user
            U: 3

            """#,
            #"""
            weather(city: str, days: Union[int,Any], tags: list[str])
            U: 8 > assistant
            A: 0 > tool
            T: 11

            """#,
        ])
}
