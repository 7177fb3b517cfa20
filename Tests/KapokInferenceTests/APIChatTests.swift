import HTTPTypes
import KapokModel
import OrderedCollections
import Testing

@testable import KapokInference

@Suite("OpenAI chat")
struct APIChatTests {
    private let path = "/v1/chat/completions"

    @Test("an answer has its message, its end and what was used")
    func complete() async throws {
        let service = StandInService()
        let reply = try await APITestServer(service).send(
            .post, path, #"{"model":"stand-in","messages":[{"role":"user","content":"Hi"}]}"#)
        #expect(reply.status == 200)
        let choice = try #require(reply.json["choices"]?[0])
        #expect(choice["message"]?["content"] == "Hello world")
        #expect(choice["message"]?["role"] == "assistant")
        #expect(choice["finish_reason"] == "stop")
        let prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        let tokens = ByteTokenizer().encode(Array(prompt.utf8), special: true)
        #expect(service.requests.first?.prompt == tokens)
        #expect(reply.json["usage"]?["prompt_tokens"] == .integer(Int64(tokens.count)))
        #expect(reply.json["usage"]?["completion_tokens"] == 2)
        #expect(reply.json["usage"]?["prompt_tokens_details"]?["cached_tokens"] == 3)
        #expect(reply.json["service_tier"] == "default")
    }

    @Test("a stream begins with the role, ends with reason, usage and [DONE]")
    func stream() async throws {
        let reply = try await APITestServer(StandInService()).send(
            .post, path,
            """
            {"messages":[{"role":"user","content":"Hi"}],"stream":true,
             "stream_options":{"include_usage":true}}
            """)
        #expect(reply.headers[.contentType] == "text/event-stream; charset=utf-8")
        let chunks = reply.documents
        #expect(chunks.first?["choices"]?[0]?["delta"]?["role"] == "assistant")
        let text = chunks.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.stringValue }
        #expect(text == ["", "Hello", " world"])
        #expect(chunks.dropLast().last?["choices"]?[0]?["finish_reason"] == "stop")
        #expect(chunks.last?["choices"] == [])
        #expect(chunks.last?["usage"]?["completion_tokens"] == 2)
        #expect(reply.events.last == "[DONE]")
    }
}
