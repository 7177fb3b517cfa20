import HTTPTypes
import HummingbirdTesting
import KapokModel
import KapokWorld
import NIOCore
import OrderedCollections
import Testing

@testable import KapokInference

/// Bodies that went wrong on their way, or were made to.
@Suite("Malformed requests")
struct APIFuzzTests {
    private static let seeds: [(path: String, body: String)] = [
        (
            "/v1/chat/completions",
            """
            {"model":"stand-in","messages":[{"role":"system","content":"a"},{"role":"user",
            "content":[{"type":"text","text":"b"}]},{"role":"assistant","content":null,"tool_calls":
            [{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool",
            "tool_call_id":"1","content":"c"}],"tools":[{"type":"function","function":{"name":"f",
            "parameters":{"type":"object"}}}],"tool_choice":"required","n":2,"stop":["x"],"seed":1,
            "logprobs":true,"top_logprobs":2,"temperature":0.5,"logit_bias":{"5":1},
            "response_format":{"type":"json_object"},"max_tokens":4,"stream":true}
            """
        ),
        (
            "/v1/completions",
            #"{"prompt":["a",[1,2]],"echo":true,"max_tokens":3,"n":2,"stop":"x","top_k":-1}"#
        ),
        (
            "/v1/responses",
            """
            {"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},
            {"type":"function_call","call_id":"1","name":"f","arguments":"{}"}],"text":{"format":
            {"type":"json_schema","name":"s","schema":{"type":"object"}}},"max_output_tokens":3}
            """
        ),
        (
            "/model/stand-in/converse",
            """
            {"messages":[{"role":"user","content":[{"text":"a"},{"toolResult":{"toolUseId":"1",
            "content":[{"json":{"a":1}}]}}]}],"inferenceConfig":{"maxTokens":3,"stopSequences":
            ["b"]},"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}],
            "toolChoice":{"any":{}}},"performanceConfig":{"latency":"optimized"}}
            """
        ),
        ("/model/stand-in/invoke", #"{"prompt":"a","max_gen_len":3,"temperature":0.1}"#),
        ("/v1/embeddings", #"{"input":["a","b"],"encoding_format":"base64"}"#),
        ("/tokenize", #"{"messages":[{"role":"user","content":"a"}]}"#),
        ("/detokenize", #"{"tokens":[1,2,3]}"#),
        ("/model/stand-in/count-tokens", #"{"input":{"converse":{"messages":[]}}}"#),
    ]

    private static let strange: [JSONValue] = [
        nil, true, 0, -1, 1e300, 9_223_372_036_854_775_807, "", "x", [], [[]], [nil], [:],
        ["type": "text"], ["name": "f"], "required", 0.5, [1, "a"], -0.0,
    ]

    /// Replaces or removes a value somewhere in `value`.
    private static func mutated(_ value: JSONValue, _ random: inout RandomStream) -> JSONValue {
        let goesDeeper = random.next() % 4 != 0
        switch value {
        case .object(var object) where goesDeeper && !object.isEmpty:
            let key = object.keys[Int(random.next() % UInt64(object.count))]
            if random.next() % 6 == 0 {
                object[key] = nil
            } else {
                object[key] = mutated(object[key] ?? .null, &random)
            }
            return .object(object)
        case .array(var array) where goesDeeper && !array.isEmpty:
            let index = Int(random.next() % UInt64(array.count))
            if random.next() % 6 == 0 {
                array.append(array[index])
            } else {
                array[index] = mutated(array[index], &random)
            }
            return .array(array)
        default: return strange[Int(random.next() % UInt64(strange.count))]
        }
    }

    @Test("whatever a body holds, the answer is 200 or a clean 4xx", arguments: 0..<seeds.count)
    func mutations(index: Int) async throws {
        let (path, body) = Self.seeds[index]
        let value = try JSONValue(parsing: body)
        let server = APITestServer(StandInService(.says(["{}"], .stop)))
        try await server.test { client in
            var random = RandomStream(seed: UInt64(index) + 1)
            for _ in 0..<250 {
                var bytes: [UInt8]
                if random.next() % 8 == 0 {
                    // Damage to the text itself.
                    bytes = value.bytes()
                    for _ in 0..<3 {
                        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                            truncatingIfNeeded: random.next())
                    }
                } else {
                    var changed = value
                    for _ in 0...(random.next() % 3) { changed = Self.mutated(changed, &random) }
                    bytes = changed.bytes()
                }
                let reply = try await client.executeRequest(
                    uri: path, method: .post, headers: [:], body: ByteBuffer(bytes: bytes))
                let status = reply.status.code
                let text = String(decoding: bytes, as: UTF8.self)
                #expect(status == 200 || (400..<429).contains(status), "\(status): \(text)")
                guard status != 200 else { continue }
                let answer = try JSONValue(parsing: String(buffer: reply.body))
                let message = answer["message"] ?? answer["error"]?["message"]
                #expect(message?.stringValue?.isEmpty == false, "\(text)")
            }
        }
    }
}
