import KapokModel
import Synchronization

@testable import KapokInference

/// A tokenizer whose tokens are bytes, and whose control tokens are ChatML's.
struct ByteTokenizer: Tokenizer {
    static let controls = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]

    var vocabularySize: Int { 256 + Self.controls.count }
    var beginningOfText: TokenID? { nil }
    var endOfText: TokenID? { 258 }
    var endOfGeneration: Set<TokenID> { [257, 258] }
    var addsBeginningOfText: Bool { false }

    func encode(_ text: [UInt8], special: Bool) -> [TokenID] {
        var tokens: [TokenID] = []
        var rest = text[...]
        while let byte = rest.first {
            if special,
                let index = Self.controls.firstIndex(where: { rest.starts(with: Array($0.utf8)) })
            {
                tokens.append(TokenID(256 + index))
                rest = rest.dropFirst(Self.controls[index].utf8.count)
            } else {
                tokens.append(TokenID(byte))
                rest = rest.dropFirst()
            }
        }
        return tokens
    }

    func bytes(of token: TokenID) -> [UInt8] { token < 256 ? [UInt8(token)] : [] }
    func isControl(_ token: TokenID) -> Bool { token >= 256 }
    func piece(of token: TokenID) -> String {
        token < 256 ? "<\(token)>" : Self.controls[Int(token) - 256]
    }
    func token(of piece: String) -> TokenID? {
        Self.controls.firstIndex(of: piece).map { TokenID($0 + 256) }
    }
}

/// A service that answers as it is told, keeps what it was asked, and notices cancellations.
final class StandInService: GenerationService {
    /// What becomes of a request.
    enum Script: Sendable {
        /// These pieces of text, each a token, then the end.
        case says([String], FinishReason)
        /// The text of the prompt.
        case echoes
        /// Nothing ever; only the client's end ends it.
        case hangs
        /// The first pieces, then nothing ever.
        case stalls([String])
        case refuses(RefusalReason)
        /// A failure after some text.
        case breaks([String])
    }

    let modelName = "stand-in"
    let tokenizer: any Tokenizer = ByteTokenizer()
    let contextLimit: Int
    let chatTemplate: String?
    let configuration = ModelConfiguration(
        architecture: "llama", name: "stand-in", layers: 1, width: 4, feedForwardWidth: 4, heads: 1,
        keyValueHeads: 1, headWidth: 4, vocabularySize: 259, contextLength: 4096,
        normEpsilon: 1e-5,
        rope: RotaryEmbedding(pairing: .halves, rotatedWidth: 4, frequencies: [1, 1]),
        tiesEmbeddings: true)

    private struct State {
        var requests: [GenerationRequest] = []
        var script: Script
        var cancelled = 0
        var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state: Mutex<State>

    init(
        _ script: Script = .says(["Hello", " world"], .stop), contextLimit: Int = 4096,
        chatTemplate: String? = nil
    ) {
        self.contextLimit = contextLimit
        self.chatTemplate = chatTemplate
        state = Mutex(State(script: script))
    }

    /// What was asked so far.
    var requests: [GenerationRequest] { state.withLock { $0.requests } }

    /// Waits until so many requests were cancelled.
    func cancellations(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.cancelled >= count { return true }
                state.waiting.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func noteCancellation() {
        let ready = state.withLock { state in
            state.cancelled += 1
            let cancelled = state.cancelled
            defer { state.waiting.removeAll { $0.count <= cancelled } }
            return state.waiting.filter { $0.count <= cancelled }.map(\.continuation)
        }
        for continuation in ready { continuation.resume() }
    }

    func generate(
        _ request: GenerationRequest
    ) -> AsyncThrowingStream<GenerationEvent, any Error> {
        let script = state.withLock { state in
            state.requests.append(request)
            return state.script
        }
        let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
        continuation.onTermination = { [weak self] reason in
            if case .cancelled = reason { self?.noteCancellation() }
        }
        if case .refuses(let reason) = script {
            continuation.finish(throwing: GenerationError.refused(reason))
            return stream
        }
        continuation.yield(.admitted(request.mode))
        switch script {
        case .says(let pieces, let reason):
            say(pieces, request, continuation)
            finish(request, reason, pieces.count, continuation)
        case .echoes:
            let text = String(
                decoding: request.prompt.flatMap { tokenizer.bytes(of: $0) }, as: UTF8.self)
            say([text], request, continuation)
            finish(request, .stop, 1, continuation)
        case .stalls(let pieces): say(pieces, request, continuation)
        case .breaks(let pieces):
            say(pieces, request, continuation)
            continuation.finish(throwing: GenerationError.failed("a cosmic ray"))
        case .hangs, .refuses: break
        }
        if case .hangs = script { keep(continuation) }
        if case .stalls = script { keep(continuation) }
        return stream
    }

    private let kept = Mutex<[AsyncThrowingStream<GenerationEvent, any Error>.Continuation]>([])

    private func keep(_ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation)
    {
        kept.withLock { $0.append(continuation) }
    }

    private func say(
        _ pieces: [String], _ request: GenerationRequest,
        _ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    ) {
        for piece in pieces {
            var reports: [TokenReport] = []
            if let count = request.logProbabilities {
                let chosen = TokenProbability(
                    token: TokenID(piece.utf8.first ?? 0), bytes: Array(piece.utf8),
                    logProbability: -0.5)
                reports = [
                    TokenReport(
                        chosen: chosen,
                        alternatives: (0..<count).map { index in
                            TokenProbability(
                                token: TokenID(65 + index), bytes: [UInt8(65 + index)],
                                logProbability: -1 - Float(index))
                        })
                ]
            }
            continuation.yield(.text(piece, tokens: reports))
        }
    }

    private func finish(
        _ request: GenerationRequest, _ reason: FinishReason, _ generated: Int,
        _ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    ) {
        var account = RequestAccount()
        account.generatedTokens = generated
        account.cachedTokens = 3
        account.mode = request.mode
        continuation.yield(
            .finished(
                GenerationSummary(
                    reason: reason, stopText: nil, promptTokens: request.prompt.count,
                    account: account, secondsToFirstToken: 0.01)))
        continuation.finish()
    }

    func embed(_ prompt: [TokenID], tenant: UInt32) async throws -> [Float] {
        [Float(prompt.count), 0.25, -0.5, 1]
    }

    func metricsText() -> String { "# TYPE stand_in gauge\nstand_in 1\n" }
}
