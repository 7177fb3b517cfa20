import Crypto
import Foundation
import HTTPTypes
import KapokModel
import NIOCore
import OrderedCollections
import Testing

@testable import KapokInference

/// A message of AWS' event stream, read with a reader of its own.
private struct EventMessage {
    var headers: [String: String] = [:]
    var payload: JSONValue = .null

    /// All messages in `bytes`; each length and both checksums are verified.
    static func all(in bytes: [UInt8]) throws -> [EventMessage] {
        // The macro cannot read, which changes the buffer.
        func need<Value>(_ value: Value?) throws -> Value { try #require(value) }
        var rest = ByteBuffer(bytes: bytes)
        var messages: [EventMessage] = []
        while rest.readableBytes > 0 {
            let whole = rest
            let total = try need(rest.readInteger(as: UInt32.self))
            let headerLength = try need(rest.readInteger(as: UInt32.self))
            let preludeSum = try need(rest.readInteger(as: UInt32.self))
            let prelude = try need(whole.getBytes(at: whole.readerIndex, length: 8))
            #expect(EventStreamFraming.checksum(prelude) == preludeSum)
            var block = try need(rest.readSlice(length: Int(headerLength)))
            let payload = try need(rest.readBytes(length: Int(total - headerLength) - 16))
            let covered = try need(
                whole.getBytes(at: whole.readerIndex, length: Int(total) - 4))
            let sum = try need(rest.readInteger(as: UInt32.self))
            #expect(sum == EventStreamFraming.checksum(covered))
            var message = EventMessage()
            while block.readableBytes > 0 {
                let nameLength = try need(block.readInteger(as: UInt8.self))
                let name = try need(block.readString(length: Int(nameLength)))
                let kind = try need(block.readInteger(as: UInt8.self))
                #expect(kind == 7)
                let length = try need(block.readInteger(as: UInt16.self))
                message.headers[name] = try need(block.readString(length: Int(length)))
            }
            message.payload = try JSONValue(parsing: payload)
            messages.append(message)
        }
        return messages
    }

    var type: String { headers[":event-type"] ?? headers[":exception-type"] ?? "" }
}

@Suite("Bedrock runtime")
struct APIBedrockTests {
    private let hello = #"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#

    @Test("the checksum is zlib's, and a message has its documented form")
    func framing() {
        #expect(EventStreamFraming.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
        // smithy.io, "Amazon Event Stream Specification": lengths and prelude of an empty message.
        let empty = EventStreamFraming.message(headers: [], payload: [])
        #expect(
            Array(empty.readableBytesView) == [
                0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xC2, 0x48, 0xEB, 0x7D, 0x98, 0xC8, 0xFF,
            ])
    }

    @Test("converse answers with message, reason, usage, latency and the served mode")
    func converse() async throws {
        let service = StandInService()
        let reply = try await APITestServer(service).send(
            .post, "/model/alias%2Fof-it/converse",
            """
            {"messages":[{"role":"user","content":[{"text":"Hi"}]}],"system":[{"text":"Be brief"}],
             "inferenceConfig":{"maxTokens":9,"temperature":0.5,"topP":0.25,
             "stopSequences":["END"]},"performanceConfig":{"latency":"optimized"},
             "additionalModelRequestFields":{"top_k":3,"seed":5}}
            """)
        #expect(reply.status == 200, "\(reply.text)")
        #expect(reply.json["output"]?["message"]?["content"] == [["text": "Hello world"]])
        #expect(reply.json["stopReason"] == "end_turn")
        #expect(reply.json["usage"]?["outputTokens"] == 2)
        #expect(reply.json["usage"]?["cacheReadInputTokens"] == 3)
        #expect(reply.json["metrics"]?["latencyMs"]?.integerValue != nil)
        #expect(reply.json["performanceConfig"] == ["latency": "optimized"])
        let request = try #require(service.requests.first)
        #expect(request.maximumNewTokens == 9)
        #expect(request.stop == ["END"])
        #expect(request.sampling.topK == 3)
        #expect(request.sampling.seed == 5)
        #expect(request.sampling.topP == 0.25)
    }

    @Test("a stream of converse has its events in order")
    func converseStream() async throws {
        let reply = try await APITestServer(StandInService(.says(["a", "b"], .length))).send(
            .post, "/model/stand-in/converse-stream", hello)
        #expect(reply.headers[.contentType] == "application/vnd.amazon.eventstream")
        let messages = try EventMessage.all(in: reply.bytes)
        #expect(
            messages.map(\.type) == [
                "messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop",
                "messageStop", "metadata",
            ])
        #expect(messages[1].payload["delta"]?["text"] == "a")
        #expect(messages[4].payload["stopReason"] == "max_tokens")
        #expect(messages[5].payload["usage"]?["outputTokens"] == 2)
        #expect(messages.allSatisfy { $0.headers[":message-type"] == "event" })
    }

    @Test("a tool that must be called comes as a toolUse block, also in a stream")
    func tools() async throws {
        let service = StandInService(
            .says(
                ["<tool_call>", #"{"name": "get", "arguments": {"ci"#, #"ty":"Bern"}}"#], .stop))
        let body = """
            {"messages":[{"role":"user","content":[{"text":"Weather?"}]},
              {"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"get",
                "input":{"city":"Rome"}}}]},
              {"role":"user","content":[{"toolResult":{"toolUseId":"t1",
                "content":[{"json":{"c":20}}]}}]}],
             "toolConfig":{"tools":[{"toolSpec":{"name":"get","inputSchema":{"json":
               {"type":"object","properties":{"city":{"type":"string"}}}}}}],
               "toolChoice":{"tool":{"name":"get"}}}}
            """
        let server = APITestServer(service)
        let reply = try await server.send(.post, "/model/stand-in/converse", body)
        #expect(reply.json["stopReason"] == "tool_use", "\(reply.text)")
        let use = reply.json["output"]?["message"]?["content"]?[0]?["toolUse"]
        #expect(use?["input"] == ["city": "Bern"])
        #expect(use?["name"] == "get")
        guard case .some(.toolCalls) = service.requests.first?.constraint else {
            Issue.record("the arguments are not held to the schema")
            return
        }
        let stream = try await server.send(.post, "/model/stand-in/converse-stream", body)
        let messages = try EventMessage.all(in: stream.bytes)
        #expect(
            messages.map(\.type).prefix(3) == [
                "messageStart", "contentBlockStart", "contentBlockDelta",
            ])
        let input = messages.compactMap {
            $0.payload["delta"]?["toolUse"]?["input"]?.stringValue
        }
        #expect(input.joined() == #"{"city":"Bern"}"#)
    }

    @Test("a failure in the middle of a stream is an exception message")
    func failure() async throws {
        let reply = try await APITestServer(StandInService(.breaks(["a"]))).send(
            .post, "/model/stand-in/converse-stream", hello)
        let last = try #require(try EventMessage.all(in: reply.bytes).last)
        #expect(last.headers[":message-type"] == "exception")
        #expect(last.type == "internalServerException")
        #expect(last.payload["message"]?.stringValue?.contains("cosmic") == true)
    }

    @Test("invoke takes Llama's form and OpenAI's, at once and as a stream")
    func invoke() async throws {
        let service = StandInService(.says(["a", "b"], .stop))
        let server = APITestServer(service)
        let llama = #"{"prompt":"x","max_gen_len":7,"temperature":0,"top_p":1}"#
        let reply = try await server.send(
            .post, "/model/stand-in/invoke", llama, headers: [.performanceLatency: "optimized"])
        #expect(
            reply.json == [
                "generation": "ab", "prompt_token_count": 1, "generation_token_count": 2,
                "stop_reason": "stop",
            ])
        #expect(reply.headers[.performanceLatency] == "optimized")
        #expect(service.requests.first?.maximumNewTokens == 7)
        let chat = try await server.send(
            .post, "/model/stand-in/invoke", #"{"messages":[{"role":"user","content":"Hi"}]}"#)
        #expect(chat.json["choices"]?[0]?["message"]?["content"] == "ab")
        let stream = try await server.send(
            .post, "/model/stand-in/invoke-with-response-stream", llama)
        let chunks = try EventMessage.all(in: stream.bytes).map { message in
            let text = try #require(message.payload["bytes"]?.stringValue)
            return try JSONValue(parsing: Array(try #require(Data(base64Encoded: text))))
        }
        #expect(chunks.compactMap { $0["generation"]?.stringValue } == ["a", "b", ""])
        #expect(
            chunks.last?["amazon-bedrock-invocationMetrics"]?["outputTokenCount"] == 2)
    }

    @Test("tokens are counted for both forms")
    func countTokens() async throws {
        let server = APITestServer(StandInService())
        let prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        let count = ByteTokenizer().encode(Array(prompt.utf8), special: true).count
        let converse = try await server.send(
            .post, "/model/stand-in/count-tokens", #"{"input":{"converse":\#(hello)}}"#)
        #expect(converse.json == ["inputTokens": .integer(Int64(count))])
        let body = Data(#"{"prompt":"four"}"#.utf8).base64EncodedString()
        let invoke = try await server.send(
            .post, "/model/stand-in/count-tokens",
            #"{"input":{"invokeModel":{"body":"\#(body)"}}}"#)
        #expect(invoke.json == ["inputTokens": 4])
    }

    @Test(
        "errors are AWS exceptions",
        arguments: [
            ("/model/other/converse", 404, "ResourceNotFoundException"),
            ("/model/stand-in/converse", 400, "ValidationException"),
        ])
    func errors(path: String, status: Int, exception: String) async throws {
        let reply = try await APITestServer(StandInService()).send(.post, path, #"{"messages":[]}"#)
        #expect(reply.status == status)
        #expect(reply.headers[.errorType] == exception)
        #expect(reply.json["message"]?.stringValue?.isEmpty == false)
        let busy = try await APITestServer(StandInService(.refuses(.queueFull(limit: 1)))).send(
            .post, "/model/stand-in/converse-stream", hello)
        #expect(busy.status == 429)
        #expect(busy.headers[.errorType] == "ThrottlingException")
    }

    @Test("a signature of the pair's secret is accepted, a changed body or an old time is not")
    func signatures() throws {
        // Made with botocore's SigV4Auth for this request.
        let keys = APIKeys(["AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"])
        let authorization = SignatureExample.authorization
        let headers = SignatureExample.headers
        func tenant(body: String, after seconds: Double) throws(APIError) -> UInt32? {
            try SignedRequest(authorization: authorization)?.tenant(
                keys: keys, method: "POST", rawPath: SignatureExample.path, rawQuery: "",
                header: { headers[$0] }, body: Array(body.utf8),
                now: SignatureExample.seconds + seconds)
        }
        #expect(try tenant(body: SignatureExample.body, after: 60) == 1)
        #expect(throws: APIError.self) { try tenant(body: "{}", after: 60) }
        #expect(throws: APIError.self) { try tenant(body: SignatureExample.body, after: 1000) }
        #expect(throws: APIError.self) {
            try SignedRequest(authorization: "AWS4-HMAC-SHA256 Credential=a/b, Signature=c")
        }
    }
}

/// A request that botocore 1.44 signed with its `SigV4Auth`; the keys are AWS' own examples.
private enum SignatureExample {
    static let path = "/model/alias%2Fof-it/converse"
    static let body = #"{"messages":[]}"#
    static let seconds = 1_769_860_800.0
    static let headers = [
        "host": "127.0.0.1:8080", "content-type": "application/json",
        "x-amz-date": "20260131T120000Z",
    ]
    static let authorization =
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/bedrock/aws4_request, "
        + "SignedHeaders=content-type;host;x-amz-date, "
        + "Signature=1dda44a150dce6c845bbb4f5306702cfb5c3dfe539d5680c61c9bd6bec685791"
}
