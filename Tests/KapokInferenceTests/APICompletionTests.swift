import HTTPTypes
import KapokModel
import OrderedCollections
import Testing

@testable import KapokInference

@Suite("OpenAI completions, embeddings, tokens, models")
struct APICompletionTests {
    @Test("prompts and choices are numbered prompt by prompt")
    func numbering() async throws {
        let service = StandInService(.echoes)
        let reply = try await APITestServer(service).send(
            .post, "/v1/completions", #"{"prompt":["ab","cd"],"n":2,"seed":7}"#)
        let choices = try #require(reply.json["choices"]?.arrayValue)
        #expect(choices.map { $0["text"]?.stringValue } == ["ab", "ab", "cd", "cd"])
        #expect(choices.map { $0["index"]?.integerValue } == [0, 1, 2, 3])
        #expect(Set(service.requests.map(\.sampling.seed)) == [7, 8])
        #expect(reply.json["usage"]?["prompt_tokens"] == 4)
        #expect(reply.json["usage"]?["completion_tokens"] == 4)
    }

    @Test("token numbers are a prompt, alone or several")
    func tokens() async throws {
        let service = StandInService(.echoes)
        let server = APITestServer(service)
        let one = try await server.send(.post, "/v1/completions", #"{"prompt":[72,105]}"#)
        #expect(one.json["choices"]?[0]?["text"] == "Hi")
        let two = try await server.send(.post, "/v1/completions", #"{"prompt":[[72],[105,33]]}"#)
        #expect(two.json["choices"]?[1]?["text"] == "i!")
        let bad = try await server.send(.post, "/v1/completions", #"{"prompt":[[72],[999]]}"#)
        #expect(bad.status == 400)
        #expect(bad.error("param") == "prompt[1][0]")
    }

    @Test("sampling reaches the engine as it was asked for")
    func sampling() async throws {
        let service = StandInService()
        _ = try await APITestServer(service).send(
            .post, "/v1/completions",
            """
            {"prompt":"x","temperature":0.25,"top_p":0.5,"top_k":40,"min_p":0.125,"seed":-1,
             "presence_penalty":0.5,"frequency_penalty":-0.5,"repetition_penalty":1.5,
             "logit_bias":{"65":-100},"stop":["a","b"],"max_tokens":5,"ignore_eos":true,
             "latency":"optimized"}
            """)
        let request = try #require(service.requests.first)
        #expect(request.sampling.temperature == 0.25)
        #expect(request.sampling.topP == 0.5)
        #expect(request.sampling.topK == 40)
        #expect(request.sampling.minP == 0.125)
        #expect(request.sampling.seed == .max)
        #expect(request.sampling.presencePenalty == 0.5)
        #expect(request.sampling.frequencyPenalty == -0.5)
        #expect(request.sampling.repetitionPenalty == 1.5)
        #expect(request.sampling.logitBias == [65: -100])
        #expect(request.stop == ["a", "b"])
        #expect(request.maximumNewTokens == 5)
        #expect(request.ignoresEnd)
        #expect(request.mode == .optimized)
    }

    @Test("echo begins with the prompt; alone it generates nothing")
    func echo() async throws {
        let service = StandInService(.says(["!"], .length))
        let server = APITestServer(service)
        let reply = try await server.send(
            .post, "/v1/completions", #"{"prompt":"Hi","echo":true}"#)
        #expect(reply.json["choices"]?[0]?["text"] == "Hi!")
        let alone = try await server.send(
            .post, "/v1/completions", #"{"prompt":"Hi","echo":true,"max_tokens":0}"#)
        #expect(alone.json["choices"]?[0]?["text"] == "Hi")
        #expect(alone.json["choices"]?[0]?["finish_reason"] == "length")
        #expect(service.requests.count == 1)
        let stream = try await server.send(
            .post, "/v1/completions", #"{"prompt":"Hi","echo":true,"stream":true}"#)
        let texts = stream.documents.compactMap { $0["choices"]?[0]?["text"]?.stringValue }
        #expect(texts == ["Hi", "!", ""])
    }

    @Test("log probabilities have completions' form, with offsets")
    func probabilities() async throws {
        let reply = try await APITestServer(StandInService(.says(["a", "bc", "d"], .stop))).send(
            .post, "/v1/completions", #"{"prompt":"x","logprobs":2}"#)
        let logprobs = try #require(reply.json["choices"]?[0]?["logprobs"])
        #expect(logprobs["tokens"] == ["a", "bc", "d"])
        #expect(logprobs["text_offset"] == [0, 1, 3])
        #expect(logprobs["token_logprobs"] == [-0.5, -0.5, -0.5])
        #expect(logprobs["top_logprobs"]?[0] == ["A": -1.0, "B": -2.0])
    }

    @Test(
        "what is not offered is refused by name",
        arguments: [
            (#"{"prompt":"x","suffix":"y"}"#, "suffix"),
            (#"{"prompt":"x","best_of":3}"#, "best_of"),
            (#"{"prompt":"x","echo":true,"logprobs":1}"#, "logprobs"),
            (#"{"prompt":"x","max_tokens":0}"#, "max_tokens"),
            (#"{"prompt":"x","n":17}"#, "n"),
            (#"{"prompt":"x","temperature":"hot"}"#, "temperature"),
            (#"{"prompt":"x","temperature":3}"#, "temperature"),
            (#"{"prompt":"x","logit_bias":{"no":1}}"#, "logit_bias.no"),
            (#"{"prompt":"x","stream_options":{}}"#, "stream_options"),
            (#"{"prompt":"x","stop":[""]}"#, "stop"),
            (#"{"prompt":"x","service_tier":"gold"}"#, "service_tier"),
            (
                #"{"prompt":"x","performanceConfig":{"latency":"fast"}}"#,
                "performanceConfig.latency"
            ),
            (#"{"prompt":[]}"#, "prompt"), (#"{}"#, "prompt"), (#"{"prompt":7}"#, "prompt"),
            (#"{"prompt":""}"#, "prompt"),
        ])
    func refusals(body: String, parameter: String) async throws {
        let reply = try await APITestServer(StandInService()).send(.post, "/v1/completions", body)
        #expect(reply.status == 400)
        #expect(reply.error("param") == parameter, "\(reply.text)")
        #expect(reply.error("type") == "invalid_request_error")
    }

    @Test("embeddings come as numbers or as base64 of little-endian floats")
    func embeddings() async throws {
        let server = APITestServer(StandInService())
        let reply = try await server.send(
            .post, "/v1/embeddings", #"{"input":["abc","de"],"model":"default?"}"#)
        #expect(reply.status == 404)
        let plain = try await server.send(.post, "/v1/embeddings", #"{"input":["abc","de"]}"#)
        #expect(plain.json["data"]?[0]?["embedding"] == [3.0, 0.25, -0.5, 1.0])
        #expect(plain.json["data"]?[1]?["index"] == 1)
        #expect(plain.json["usage"]?["total_tokens"] == 5)
        let coded = try await server.send(
            .post, "/v1/embeddings", #"{"input":"abc","encoding_format":"base64"}"#)
        #expect(coded.json["data"]?[0]?["embedding"] == "AABAQAAAgD4AAAC/AACAPw==")
        let short = try await server.send(
            .post, "/v1/embeddings", #"{"input":"abc","dimensions":2}"#)
        #expect(short.error("param") == "dimensions")
    }

    @Test("texts become tokens and back")
    func tokenize() async throws {
        let server = APITestServer(StandInService())
        let tokens = try await server.send(
            .post, "/tokenize", #"{"prompt":"Hi<|im_end|>","return_token_strs":true}"#)
        #expect(tokens.json["tokens"] == [72, 105, 257])
        #expect(tokens.json["count"] == 3)
        #expect(tokens.json["max_model_len"] == 4096)
        #expect(tokens.json["token_strs"]?[2] == "<|im_end|>")
        let text = try await server.send(.post, "/detokenize", #"{"tokens":[72,105,257]}"#)
        #expect(text.json["prompt"] == "Hi<|im_end|>")
    }

    @Test("the model is listed under its names, also those with slashes")
    func models() async throws {
        let server = APITestServer(StandInService())
        let list = try await server.send(.get, "/v1/models")
        let ids = list.json["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue }
        #expect(ids == ["stand-in", "alias/of-it"])
        let one = try await server.send(.get, "/v1/models/alias/of-it")
        #expect(one.json["root"] == "stand-in")
        let coded = try await server.send(.get, "/v1/models/alias%2Fof-it")
        #expect(coded.json["id"] == "alias/of-it")
        let none = try await server.send(.get, "/v1/models/gpt-5")
        #expect(none.status == 404)
        #expect(none.error("code") == "model_not_found")
    }
}
