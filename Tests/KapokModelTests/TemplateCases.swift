import Testing

/// Small templates and what Jinja2 3.1.6 makes of them when it is set up as transformers does.
enum TemplateCases {
    /// A template and its text.
    struct Case: Sendable, CustomTestStringConvertible {
        var template: String
        var text: String
        var testDescription: String { template }
    }

    /// The variables of all templates.
    static let context = #"""
        {"n": null, "t": true, "i": 7, "f": 2.5, "s": " Héllo wörld ", "e": "", "l": [3, 1, 2]\#
        , "d": {"b": 1, "a": "x", "items": 5}, "users": [{"name": "Bo", "age": 3, "on": true},\#
         {"name": "al", "age": 1}, {"name": "Cy", "age": 2, "on": false}], "nested": {"k": [1,\#
         {"z": null}]}}
        """#

    static let whiteSpace: [Case] = [
        Case(
            template: "a\n{% if t %}\nb\n{% endif %}\nc\n",
            text: "a\nb\nc"),
        Case(
            template: "a\n  {% if t %}\nb\n  {% endif %}\nc",
            text: "a\nb\nc"),
        Case(
            template: "  {{ i }}  \n x",
            text: "  7  \n x"),
        Case(
            template: "a  {%- if t -%}  b  {%- endif %}  c",
            text: "ab  c"),
        Case(
            template: "{% if t +%}\nb{% endif %}",
            text: "\nb"),
        Case(
            template: "  {%+ if t %}x{% endif %}",
            text: "  x"),
        Case(
            template: "a {# c #}\n b",
            text: "a  b"),
        Case(
            template: "a\n  {# c #}\nb",
            text: "a\nb"),
        Case(
            template: "a {#- c -#} b",
            text: "ab"),
        Case(
            template: "{{- ' a ' -}} b",
            text: " a b"),
        Case(
            template: "x\n\n",
            text: "x\n"),
        Case(
            template: "{% raw %}{{ x }}{% endraw %}\ny",
            text: "{{ x }}y"),
        Case(
            template: "a {% raw -%}  {% if %} {%- endraw %} b",
            text: "a {% if %} b"),
        Case(
            template: "{{ 'a' }}\n{{ 'b' }}\n",
            text: "a\nb"),
        Case(
            template: "{% for x in l %}\n  {{ x }}\n{% endfor %}\n",
            text: "  3\n  1\n  2\n"),
        Case(
            template: "a\r\n{% if t %}\r\nb{% endif %}",
            text: "a\nb"),
        Case(
            template: "x {{ '}}' }} y",
            text: "x }} y"),
        Case(
            template: "{{ {'a': {'b': 1}} }}",
            text: "{'a': {'b': 1}}"),
    ]

    static let values: [Case] = [
        Case(
            template: "{{ n }} {{ t }} {{ i }} {{ f }} {{ missing }}|",
            text: "None True 7 2.5 |"),
        Case(
            template: "{{ l }} {{ d }} {{ nested }}",
            text: "[3, 1, 2] {'b': 1, 'a': 'x', 'items': 5} {'k': [1, {'z': None}]}"),
        Case(
            template: "{{ [1.0, 1e20, 0.1, 1e-7] }}",
            text: "[1.0, 1e+20, 0.1, 1e-07]"),
        Case(
            template: "{{ ['it\\'s', 'a\"b', 'c\\n', '\\\\'] }}",
            text: "[\"it's\", 'a\"b', 'c\\n', '\\\\']"),
        Case(
            template: "{{ 'a' 'b' }}",
            text: "ab"),
        Case(
            template: "{{ '\\x41\\u00e9\\101\\q' }}",
            text: "AéA\\q"),
        Case(
            template: "{{ 1_000 }}",
            text: "1000"),
        Case(
            template: "{{ (1, 2) | list }}",
            text: "[1, 2]"),
        Case(
            template: "{{ 1 if t }}{{ 2 if not t }}",
            text: "1"),
        Case(
            template: "{{ 'x' if e else 'y' if n else 'z' }}",
            text: "z"),
    ]

    static let operators: [Case] = [
        Case(
            template: "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2"
                + " ** 10 }} {{ 2 ** -1 }}",
            text: "3 -4 1 2 3.5 1024 0.5"),
        Case(
            template: "{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ -i + 1 }} {{ 'ab' * 3 }}",
            text: "3 9 -6 ababab"),
        Case(
            template: "{{ 1 ~ 'a' ~ n ~ t ~ f }}",
            text: "1aNoneTrue2.5"),
        Case(
            template: "{{ [1] + [2] }}",
            text: "[1, 2]"),
        Case(
            template: "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a"
                + "' < 'b' }} {{ [1, 2] < [1, 3] }}",
            text: "True False True True True True"),
        Case(
            template: "{{ 'ell' in 'hello' }} {{ 1 in l }} {{ 9 not in l }} {{ 'a' in d }} "
                + "{{ '' in s }}",
            text: "True True True True True"),
        Case(
            template: "{{ not t and f or i }} {{ n or 'd' }} {{ e and 1 }}",
            text: "7 d "),
        Case(
            template: "{{ '%s is %d, %.2f%%' % ('x', 3, 1.005) }}",
            text: "x is 3, 1.00%"),
        Case(
            template: "{{ -1 | abs }} {{ 2 * 3 ** 2 }}",
            text: "1 18"),
        Case(
            template: "{{ not 1 in l }}",
            text: "False"),
    ]

    static let members: [Case] = [
        Case(
            template: "{{ l[0] }} {{ l[-1] }} {{ l[9] }}|{{ s[1] }}{{ s[-2] }}",
            text: "3 2 |Hd"),
        Case(
            template: "{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ s[1:3] }} {{ "
                + "s[::-1] }} {{ l[5:] }} {{ l[-9:2] }}",
            text: "[1, 2] [3, 1] [2, 1, 3] [3, 2] Hé  dlröw olléH  [] [3, 1]"),
        Case(
            template: "{{ d.a }} {{ d['b'] }} {{ d.zz is defined }} {{ d['items'] }}",
            text: "x 1 False 5"),
        Case(
            template: "{{ d.get('b') }} {{ d.get('q') }} {{ d.get('q', 1) }}",
            text: "1 None 1"),
        Case(
            template: "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
            text: "b=1;a=x;items=5;"),
        Case(
            template: "{{ d.keys() | list }} {{ d.values() | list }}",
            text: "['b', 'a', 'items'] [1, 'x', 5]"),
        Case(
            template: "{{ users.0.name }} {{ nested.k[1].z }}",
            text: "Bo None"),
        Case(
            template: "{{ nested['k'][1]['z'] is none }}",
            text: "True"),
    ]

    static let strings: [Case] = [
        Case(
            template: "[{{ s.strip() }}] [{{ s.lstrip() }}] [{{ s.rstrip() }}] [{{ 'xxaxx'."
                + "strip('x') }}]",
            text: "[Héllo wörld] [Héllo wörld ] [ Héllo wörld] [a]"),
        Case(
            template: "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',"
                + "', 1) }} {{ 'a,b,c'.rsplit(',', 1) }}",
            text: "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b,c'] ['a,b', 'c']"),
        Case(
            template: "{{ s.upper() }}{{ s.lower() }}{{ s.title() }}{{ 'heLLo'.capitalize() }}",
            text: " HÉLLO WÖRLD  héllo wörld  Héllo Wörld Hello"),
        Case(
            template: "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'ab"
                + "cabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'aXbX'.count('X') }}",
            text: "True True 2 5 2"),
        Case(
            template: "{{ 'aab'.replace('a', 'x') }} {{ 'aab'.replace('a', 'x', 1) }} {{ 'a"
                + "b'.replace('', '-') }}",
            text: "xxb xab -a-b-"),
        Case(
            template: "{{ '-'.join(['a', 'b']) }} {{ '{} {1} {x}'.format(1, 2, x=3) if fals"
                + "e else '{} {x}'.format(1, x=3) }}",
            text: "a-b 1 3"),
        Case(
            template: "{{ 'abc'.removeprefix('a').removesuffix('c') }} {{ '7'.zfill(3) }} {"
                + "{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '.') }}",
            text: "b 007 a  |..a"),
        Case(
            template: "{{ 'a\\nb\\n'.splitlines() }} {{ 'a=b=c'.partition('=') | join('|') "
                + "}} {{ '12'.isdigit() }} {{ 'a b'.isalpha() }}",
            text: "['a', 'b'] a|=|b=c True False"),
    ]

    static let filters: [Case] = [
        Case(
            template: "{{ s | trim | upper }} {{ s | length }} {{ l | length }} {{ 'ab' | f"
                + "irst }}{{ 'ab' | last }} {{ l | first }}",
            text: "HÉLLO WÖRLD 13 3 ab 3"),
        Case(
            template: "{{ l | sort }} {{ l | sort(reverse=true) }} {{ users | sort(attribut"
                + "e='name') | map(attribute='name') | list }} {{ l | reverse | list }}"
                + " {{ 'abc' | reverse }}",
            text: "[1, 2, 3] [3, 2, 1] ['al', 'Bo', 'Cy'] [2, 1, 3] cba"),
        Case(
            template: "{{ l | join(', ') }} {{ users | join('+', attribute='name') }} {{ l "
                + "| sum }} {{ l | min }} {{ l | max }} {{ users | sum(attribute='age')"
                + " }}",
            text: "3, 1, 2 Bo+al+Cy 6 1 3 6"),
        Case(
            template: "{{ users | selectattr('on') | map(attribute='name') | join }} {{ use"
                + "rs | rejectattr('on', 'defined') | map(attribute='name') | join }} {"
                + "{ users | selectattr('age', 'gt', 1) | list | length }}",
            text: "Bo al 2"),
        Case(
            template: "{{ l | select('odd') | list }} {{ l | reject('equalto', 3) | list }}"
                + " {{ ['a', 'B'] | map('upper') | list }}",
            text: "[3, 1] [1, 2] ['A', 'B']"),
        Case(
            template: "{{ missing | default('x') }} {{ e | default('x') }}| {{ e | default("
                + "'x', true) }} {{ n | d(1) }}",
            text: "x | x None"),
        Case(
            template: "{{ d | tojson }} {{ d | tojson(indent=2) }} {{ 'é<\"' | tojson }} {{"
                + " [1.5, none, true] | tojson }} {{ d | dictsort | map('join', '=') | "
                + "join(' ') }}",
            text: "{\"b\": 1, \"a\": \"x\", \"items\": 5} {\n  \"b\": 1,"
                + "\n  \"a\": \"x\",\n  \"items\": 5\n} \"é<\\\"\" [1.5, null, true] a="
                + "x b=1 items=5"),
        Case(
            template: "{{ '3' | int + 1 }} {{ 'x' | int }} {{ '2.9' | int }} {{ '1.5' | flo"
                + "at }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 1.2 | round(method"
                + "='ceil') | int }}",
            text: "4 0 2 1.5 2.57 2.0 2"),
        Case(
            template: "{{ 'a\\nb\\n\\nc' | indent(2) }}|{{ 'a\\nb' | indent(1, true) }}",
            text: "a\n  b\n\n  c| a\n b"),
        Case(
            template: "{{ 'a b' | replace(' ', '_') }} {{ 'hello-big world' | title }} {{ '"
                + "aBC' | capitalize }} {{ i | string + '!' }} {{ '<a>' | e }}",
            text: "a_b Hello-Big World Abc 7! &lt;a&gt;"),
        Case(
            template: "{{ [1, 2, 1, 'a', 'A'] | unique | list }} {{ d | list }} {{ d | item"
                + "s | map('first') | list }} {{ [1, 2, 3] | batch(2) | list }} {{ 'one"
                + " two' | wordcount }}",
            text: "[1, 2, 'a'] ['b', 'a', 'items'] ['b', 'a', 'items'] [[1, 2], [3]] 2"),
        Case(
            template: "{{ 'hello big world' | truncate(9, false, '..', 0) }}",
            text: "hello.."),
        Case(
            template: "{{ n | selectattr('a') | list }}",
            text: "[]"),
    ]

    static let tests: [Case] = [
        Case(
            template: "{{ i is number }} {{ s is string }} {{ d is mapping }} {{ l is itera"
                + "ble }} {{ d is sequence }} {{ s is not none }} {{ t is boolean }} {{"
                + " i is integer }} {{ f is float }}",
            text: "True True True True True True True True True"),
        Case(
            template: "{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 1 is eq 1"
                + " }} {{ 1 is ne(1) }} {{ 2 is gt 1 }} {{ 1 is in l }} {{ t is true }}"
                + " {{ t is false }} {{ 'a' is lower }}",
            text: "True True True True False True True True False True"),
        Case(
            template: "{{ missing is defined }} {{ missing is undefined }} {{ d.zz is not d"
                + "efined }} {{ n is none and t }} {{ missing == missing2 }} {{ raise_e"
                + "xception is callable }} {{ t is sameas true }} {{ 1 is sameas true }"
                + "}",
            text: "False True True True True True True False"),
    ]

    static let statements: [Case] = [
        Case(
            template: "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
                + "{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
            text: "103TrueFalse3 212FalseFalse3 321FalseTrue3 "),
        Case(
            template: "{% for x in [] %}a{% else %}none{% endfor %}{% for x in missing %}a{"
                + "% else %}none{% endfor %}",
            text: "nonenone"),
        Case(
            template: "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
            text: "1:3 2:2 "),
        Case(
            template: "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% en"
                + "dfor %} {% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}"
                + "{% endfor %}",
            text: "32 3"),
        Case(
            template: "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}{% for c i"
                + "n 'ab' %}{{ c }}.{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
            text: "3 7 a.b.baitems"),
        Case(
            template: "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{"
                + "{ loop.previtem }}{{ loop.nextitem }} {% endfor %}",
            text: "aTrue1 bTrue32 aTrue1 "),
        Case(
            template: "{% set x = 1 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}",
            text: "3121"),
        Case(
            template: "{% set ns = namespace(x=0) %}{% for y in l %}{% set ns.x = ns.x + y "
                + "%}{% endfor %}{{ ns.x }}",
            text: "6"),
        Case(
            template:
                "{% if t %}{% set q = 1 %}{% endif %}{{ q }}{% set a, b = 1, 2 %}{{ a }}{{ b }}",
            text: "112"),
        Case(
            template: "{% set x %}a{{ i }}b{% endset %}[{{ x }}]{% set y | upper | trim %} "
                + "abc {% endset %}[{{ y }}]",
            text: "[a7b][ABC]"),
        Case(
            template: "{% macro m(a, b='d') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m("
                + "1, 2) }}{{ m(b=1, a=2) }}{{ m() }}",
            text: "<1d><12><21><d>"),
        Case(
            template: "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% end"
                + "macro %}{{ f(3) }}",
            text: "3210"),
        Case(
            template: "{% set g = 5 %}{% macro m() %}{{ g }}{% endmacro %}{% set g = 6 %}{{ m() }}",
            text: "6"),
        Case(
            template: "{% macro w() %}[{{ caller() }}]{% endmacro %}{% call w() %}x{% endcall %}",
            text: "[x]"),
        Case(
            template: "{% filter upper %}abc{{ 'd' }}{% endfilter %}{% with a = 1, b = 2 %}"
                + "{{ a + b }}{% endwith %}",
            text: "ABCD3"),
        Case(
            template: "{% for i in range(3) %}{{ i }}{% endfor %} {{ range(1, 10, 4) | list"
                + " }} {{ range(3, 0, -1) | list }}",
            text: "012 [1, 5, 9] [3, 2, 1]"),
        Case(
            template: "{% if n %}a{% elif e %}b{% elif l %}c{% else %}d{% endif %}",
            text: "c"),
        Case(
            template: "{{ strftime_now('%d %b %Y %H:%M %A %j %p %-d %y') }}",
            text: "26 Jul 2024 09:05 Friday 208 AM 26 24"),
        Case(
            template: "{{ dict(a=1, b=2) }} {{ dict({'a': 1}, c=3) }}",
            text: "{'a': 1, 'b': 2} {'a': 1, 'c': 3}"),
        Case(
            template: "{% for x in l %}{% for y in l %}{{ loop.depth }}{{ loop.index }}{% e"
                + "ndfor %}{% endfor %}",
            text: "111213111213111213"),
    ]
}
