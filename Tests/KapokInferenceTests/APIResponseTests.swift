import HTTPTypes
import KapokModel
import OrderedCollections
import Testing

@testable import KapokInference

@Suite("OpenAI responses")
struct APIResponseTests {
    private let path = "/v1/responses"

    @Test("a response has its message, its text settings and its usage")
    func complete() async throws {
        let service = StandInService()
        let reply = try await APITestServer(service).send(
            .post, path,
            #"{"input":"Hi","instructions":"Be brief","max_output_tokens":9,"metadata":{"a":"b"}}"#)
        #expect(reply.json["status"] == "completed", "\(reply.text)")
        #expect(reply.json["output"]?[0]?["content"]?[0]?["text"] == "Hello world")
        #expect(reply.json["usage"]?["output_tokens"] == 2)
        #expect(reply.json["usage"]?["input_tokens_details"]?["cached_tokens"] == 3)
        #expect(reply.json["metadata"] == ["a": "b"])
        #expect(reply.json["store"] == false)
        let prompt =
            "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            + "<|im_start|>assistant\n"
        #expect(
            service.requests.first?.prompt
                == ByteTokenizer().encode(Array(prompt.utf8), special: true))
    }

    @Test("a stream has the events of the reference, numbered, and ends complete")
    func stream() async throws {
        let reply = try await APITestServer(StandInService()).send(
            .post, path, #"{"input":[{"role":"user","content":"Hi"}],"stream":true}"#)
        let types = reply.documents.compactMap { $0["type"]?.stringValue }
        #expect(
            types == [
                "response.created", "response.in_progress", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta",
                "response.output_text.delta", "response.output_text.done",
                "response.content_part.done", "response.output_item.done", "response.completed",
            ])
        #expect(
            reply.documents.compactMap { $0["sequence_number"]?.integerValue }
                == Array(0..<types.count))
        let last = try #require(reply.documents.last?["response"])
        #expect(last["output"]?[0]?["content"]?[0]?["text"] == "Hello world")
        #expect(reply.text.contains("event: response.completed\n"))
        #expect(!reply.text.contains("[DONE]"))
    }

    @Test("an answer that was cut off is incomplete, one that failed is failed")
    func otherEnds() async throws {
        let cut = try await APITestServer(StandInService(.says(["a"], .length))).send(
            .post, path, #"{"input":"x"}"#)
        #expect(cut.json["status"] == "incomplete")
        #expect(cut.json["incomplete_details"]?["reason"] == "max_output_tokens")
        let failed = try await APITestServer(StandInService(.breaks(["a"]))).send(
            .post, path, #"{"input":"x","stream":true}"#)
        #expect(failed.documents.last?["type"] == "response.failed")
        #expect(failed.documents.last?["response"]?["error"]?["code"] == "server_error")
    }

    @Test("a call comes as an item, and goes back as input with its result")
    func calls() async throws {
        let service = StandInService(
            .says([#"<tool_call>{"name":"get","arguments":{"city":"#, #""Bern"}}"#], .stop))
        let body = """
            {"input":[{"role":"user","content":[{"type":"input_text","text":"Weather?"}]},
              {"type":"function_call","call_id":"c1","name":"get","arguments":"{}"},
              {"type":"function_call_output","call_id":"c1","output":"20 C"}],
             "tools":[{"type":"function","name":"get","parameters":{"type":"object"}}],
             "tool_choice":{"type":"function","name":"get"},"stream":true}
            """
        let reply = try await APITestServer(service).send(.post, path, body)
        let item = reply.documents.last?["response"]?["output"]?[0]
        #expect(item?["type"] == "function_call", "\(reply.text)")
        #expect(item?["arguments"] == #"{"city":"Bern"}"#)
        let deltas = reply.documents.filter {
            $0["type"] == "response.function_call_arguments.delta"
        }
        #expect(deltas.count == 2)
    }

    @Test(
        "what would need a memory is refused by name",
        arguments: [
            "previous_response_id", "conversation", "background", "prompt",
        ])
    func refusals(member: String) async throws {
        let reply = try await APITestServer(StandInService()).send(
            .post, path, #"{"input":"x","\#(member)":"y"}"#)
        #expect(reply.status == 400)
        #expect(reply.error("param") == member)
    }
}
