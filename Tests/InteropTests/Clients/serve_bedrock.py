"""boto3's bedrock-runtime client against `kapok serve`."""

import json
import os

import boto3
import botocore
import botocore.config
import botocore.exceptions
import jsonschema

from region import Checks
from serve_server import Server

ACCESS, SECRET = "AKIDEXAMPLE", "secret/with+signs="
check = Checks()

TOOL = {"toolSpec": {
    "name": "get_weather", "description": "The weather of a city",
    "inputSchema": {"json": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}},
        "required": ["city"], "additionalProperties": False,
    }},
}}


def connect(server, access=ACCESS, secret=SECRET, **settings):
    os.environ.pop("AWS_BEARER_TOKEN_BEDROCK", None)
    return boto3.client(
        "bedrock-runtime", endpoint_url=server.url, region_name="us-east-1",
        aws_access_key_id=access, aws_secret_access_key=secret,
        config=botocore.config.Config(
            retries={"total_max_attempts": 1}, read_timeout=120, **settings))


def user(text):
    return {"role": "user", "content": [{"text": text}]}


def converse(server, client):
    request = {
        "modelId": "default", "messages": [user("What is the capital of France?")],
        "system": [{"text": "Answer briefly."}],
        "inferenceConfig": {"maxTokens": 24, "temperature": 0},
    }
    answer = client.converse(**request)
    text = answer["output"]["message"]["content"][0]["text"]
    check.that("it answers", len(text.split()) > 2, text)
    check.that("it ends", answer["stopReason"] in ["end_turn", "max_tokens"])
    usage = answer["usage"]
    check.equal("usage", usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"])
    check.that("latency", answer["metrics"]["latencyMs"] >= 0)
    check.equal("the mode", answer["performanceConfig"]["latency"], "standard")
    fast = client.converse(**request, performanceConfig={"latency": "optimized"})
    check.equal("the mode asked for", fast["performanceConfig"]["latency"], "optimized")
    check.equal("the same text", fast["output"]["message"]["content"][0]["text"], text)
    events = list(client.converse_stream(**request)["stream"])
    kinds = [next(iter(event)) for event in events]
    check.equal("the role first", events[0]["messageStart"]["role"], "assistant")
    check.equal("usage last", kinds[-2:], ["messageStop", "metadata"])
    streamed = "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in events
        if "contentBlockDelta" in event)
    check.equal("a stream has the same text", streamed, text)
    check.equal("and the same usage", events[-1]["metadata"]["usage"]["outputTokens"],
                usage["outputTokens"])
    counted = client.count_tokens(modelId="default", input={"converse": {
        "messages": request["messages"], "system": request["system"]}})
    check.equal("tokens are counted", counted["inputTokens"], usage["inputTokens"])
    word = text.split()[1]
    stopped = client.converse(**{**request, "inferenceConfig": {
        "maxTokens": 24, "temperature": 0, "stopSequences": [word]}})
    check.equal("a stop sequence ends it", stopped["stopReason"], "stop_sequence")
    seeded = [
        client.converse(**{**request, "inferenceConfig": {"maxTokens": 8, "temperature": 1}},
                        additionalModelRequestFields={"seed": 4, "top_k": 50})
        ["output"]["message"]["content"] for _ in range(2)]
    check.equal("further fields are taken", seeded[0], seeded[1])


def tools(server, client):
    question = user("What is the weather in Rome?")
    for choice in [{"any": {}}, {"tool": {"name": "get_weather"}}]:
        request = {
            "modelId": "default", "messages": [question],
            "inferenceConfig": {"maxTokens": 400, "temperature": 0},
            "toolConfig": {"tools": [TOOL], "toolChoice": choice},
        }
        answer = client.converse(**request)
        check.equal("it calls", answer["stopReason"], "tool_use")
        uses = [
            block["toolUse"] for block in answer["output"]["message"]["content"]
            if "toolUse" in block]
        for use in uses:
            jsonschema.validate(use["input"], TOOL["toolSpec"]["inputSchema"]["json"])
            check.equal("the tool", use["name"], "get_weather")
        # Several calls are several blocks.
        names, pieces = {}, {}
        for event in client.converse_stream(**request)["stream"]:
            if "contentBlockStart" in event:
                block = event["contentBlockStart"]
                names[block["contentBlockIndex"]] = block["start"]["toolUse"]["name"]
            delta = event.get("contentBlockDelta", {})
            if "toolUse" in delta.get("delta", {}):
                index = delta["contentBlockIndex"]
                pieces[index] = pieces.get(index, "") + delta["delta"]["toolUse"]["input"]
        check.equal("a stream has the same calls", list(names.values()),
                    [use["name"] for use in uses])
        check.equal("with the same inputs", [json.loads(pieces[index]) for index in names],
                    [use["input"] for use in uses])
    after = client.converse(
        modelId="default", inferenceConfig={"maxTokens": 20, "temperature": 0},
        toolConfig={"tools": [TOOL]},
        messages=[question, answer["output"]["message"], {"role": "user", "content": [
            {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "Sunny"}]}}
            for use in uses]}])
    check.that("a result is taken", after["usage"]["outputTokens"] > 0)


def invoke(server, client):
    body = json.dumps({"prompt": "The capital of France is", "max_gen_len": 8,
                       "temperature": 0, "top_p": 1})
    answer = client.invoke_model(
        modelId="default", body=body, performanceConfigLatency="optimized")
    check.equal("the mode is a header", answer["performanceConfigLatency"], "optimized")
    document = json.loads(answer["body"].read())
    check.equal("as many tokens", document["generation_token_count"], 8)
    check.equal("the reason", document["stop_reason"], "length")
    stream = client.invoke_model_with_response_stream(modelId="default", body=body)
    chunks = [json.loads(event["chunk"]["bytes"]) for event in stream["body"]]
    check.equal("a stream has the same text", "".join(c["generation"] for c in chunks),
                document["generation"])
    check.equal(
        "and its metrics",
        chunks[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 8)
    chat = json.dumps({"messages": [{"role": "user", "content": "Say hello."}],
                       "max_tokens": 8, "temperature": 0})
    whole = json.loads(client.invoke_model(modelId="default", body=chat)["body"].read())
    text = whole["choices"][0]["message"]["content"]
    stream = client.invoke_model_with_response_stream(modelId="default", body=chat)
    chunks = [json.loads(event["chunk"]["bytes"]) for event in stream["body"]]
    check.equal("chat as a stream", "".join(
        c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]), text)


def schema(server, client):
    wanted = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}},
              "required": ["size"], "additionalProperties": False}
    request = {
        "modelId": "default", "messages": [user("Describe a ball as JSON.")],
        "inferenceConfig": {"maxTokens": 60, "temperature": 0},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {
            "jsonSchema": {"name": "ball", "schema": json.dumps(wanted)}}}},
    }
    if "outputConfig" not in client.meta.service_model.operation_model(
            "Converse").input_shape.members:
        print("SKIPPED: this boto3 knows no outputConfig", flush=True)
        return
    answer = client.converse(**request)
    jsonschema.validate(
        json.loads(answer["output"]["message"]["content"][0]["text"]), wanted)
    check.that("the text conforms", True)


def errors(server, client):
    def fails(name, claim, function):
        try:
            function()
            check.that(claim, False, "nothing was raised")
        except botocore.exceptions.ClientError as error:
            check.equal(claim, error.response["Error"]["Code"], name)
            check.that(f"{claim}: says why", error.response["Error"]["Message"])

    messages = [user("x")]
    fails("ResourceNotFoundException", "an unknown model",
          lambda: client.converse(modelId="meta.llama3", messages=messages))
    fails("ValidationException", "a wrong role order is the template's matter, a wrong value not",
          lambda: client.converse(modelId="default", messages=messages,
                                  inferenceConfig={"maxTokens": 10 ** 7}))
    fails("ValidationException", "what this model cannot read",
          lambda: client.converse(modelId="default", messages=[{"role": "user", "content": [
              {"image": {"format": "png", "source": {"bytes": b"x"}}}]}]))
    fails("AccessDeniedException", "a wrong secret",
          lambda: connect(server, secret="other").converse(modelId="default", messages=messages))
    fails("AccessDeniedException", "an unknown key",
          lambda: connect(server, access="OTHER").converse(modelId="default", messages=messages))
    fails("ValidationException", "a body that is no JSON",
          lambda: client.invoke_model(modelId="default", body=b"{"))


def bearer(server, client):
    """The header that AWS_BEARER_TOKEN_BEDROCK makes; boto3 itself sends it over HTTPS only."""
    plain = boto3.client(
        "bedrock-runtime", endpoint_url=server.url, region_name="us-east-1",
        config=botocore.config.Config(
            signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1}))

    def add_key(request, **_):
        request.headers["Authorization"] = "Bearer sk-plain"

    plain.meta.events.register("before-send.bedrock-runtime", add_key)
    answer = plain.converse(modelId="default", messages=[user("Hello")],
                            inferenceConfig={"maxTokens": 4})
    check.that("a bearer token is a key", answer["usage"]["outputTokens"] > 0)


def names(server, client):
    answer = client.converse(modelId="us.meta/llama:0", messages=[user("Hello")],
                             inferenceConfig={"maxTokens": 2})
    check.equal("names with any letters", answer["ResponseMetadata"]["HTTPStatusCode"], 200)


def vanishing(server, client):
    stream = client.converse_stream(
        modelId="default", messages=[user("Count to ten thousand.")],
        inferenceConfig={"maxTokens": 6000},
        additionalModelRequestFields={"ignore_eos": True})["stream"]
    for number, _ in enumerate(stream):
        if number == 3:
            break
    stream.close()
    check.that("a closed stream ends its request", server.is_idle())


def main():
    keys = ["--api-key", f"{ACCESS}:{SECRET}", "--api-key", "sk-plain"]
    with Server(*keys, "--alias", "us.meta/llama:0") as server:
        client = connect(server)
        for section in [
            converse, tools, invoke, schema, errors, bearer, names, vanishing,
        ]:
            check.section(section, server, client)
        check.that("nothing is left under way", server.is_idle())
        check.equal("it stops in order", server.stop(), 0)
    with Server() as server:
        answer = connect(server).converse(
            modelId=server.model, messages=[user("Hello")], inferenceConfig={"maxTokens": 2})
        check.that("without keys any signature will do", answer["usage"]["outputTokens"] > 0)
    check.finish()


if __name__ == "__main__":
    main()
