import KapokModel
import KapokWorld

/// A request on its way: its tokens, its text and the stream that its client reads.
///
/// `tokens` and what makes text of them belong to the executor that runs a step with this request;
/// there is one at a time, and the engine's lock orders them. `timing` and `mode` belong to that
/// lock.
final class ActiveRequest: @unchecked Sendable {
    /// When things happened.
    struct Timing {
        var submitted: Instant
        var firstToken: Instant?
        var lastToken: Instant?
    }

    let id: RequestID
    let tenant: UInt32
    let deadline: Instant?
    let promptCount: Int
    let continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    var timing: Timing
    /// The mode that is served; the scheduler says it when it admits the request.
    var mode = LatencyMode.standard

    /// Prompt and generated tokens.
    private(set) var tokens: [TokenID]
    private(set) var sampler: Sampler
    private var matcher: GrammarMatcher?
    private var mask = TokenMask()
    private var detokenizer: Detokenizer
    private var stops: StopMatcher
    private let stopTexts: [String]
    private let ends: Set<TokenID>
    private let alternatives: Int?
    private let tokenizer: any Tokenizer
    /// Reports of tokens whose text was not let go yet, each with the length of all text up to it.
    private var waitingReports: [(report: TokenReport, textEnd: Int)] = []
    /// Bytes of text made, and let go.
    private var textMade = 0
    private var textReleased = 0
    /// The stop text that ended the request.
    private(set) var stopText: String?

    init(
        _ scheduled: ScheduledRequest, request: GenerationRequest, tokenizer: any Tokenizer,
        matcher: GrammarMatcher?, entropy: UInt64, submitted: Instant,
        continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    ) {
        self.id = scheduled.id
        self.tenant = scheduled.tenant
        self.deadline = scheduled.deadline
        self.promptCount = request.prompt.count
        self.continuation = continuation
        self.timing = Timing(submitted: submitted)
        self.tokens = request.prompt
        self.sampler = Sampler(
            options: request.sampling, prompt: request.prompt, entropy: entropy)
        self.matcher = matcher
        self.detokenizer = Detokenizer(tokenizer)
        self.stops = StopMatcher(stops: request.stop)
        self.stopTexts = request.stop
        self.ends = request.ignoresEnd ? [] : tokenizer.endOfGeneration
        self.alternatives = request.logProbabilities
        self.tokenizer = tokenizer
    }

    /// How many tokens were generated.
    var generatedCount: Int { tokens.count - promptCount }

    /// Whether proposals make sense: where a grammar decides they are mostly wrong.
    var allowsDrafts: Bool { matcher == nil }

    /// Tokens that may follow, by look-up.
    func lookUp(_ count: Int) -> [TokenID] {
        allowsDrafts ? PromptLookup.drafts(after: tokens, count: count) : []
    }

    /// Takes the rows of logits after the last known token and after each of `drafts`, and adds
    /// the tokens that are chosen: one, and one more for each draft that was right.
    func advance(
        rows: UnsafeBufferPointer<Float>, vocabularySize: Int, drafts: [TokenID]
    ) -> EntryOutcome {
        var outcome = EntryOutcome(request: id, tokens: [], drafted: drafts.count)
        var released: [UInt8] = []
        for row in 0...drafts.count {
            let logits = UnsafeBufferPointer(
                rebasing: rows[row * vocabularySize..<(row + 1) * vocabularySize])
            let token = choose(logits)
            outcome.tokens.append(token)
            tokens.append(token)
            sampler.record(token)
            outcome.finish = accept(token, logits: logits, released: &released)
            guard outcome.finish == nil, row < drafts.count, drafts[row] == token else { break }
        }
        deliver(released, isLast: outcome.finish != nil)
        return outcome
    }

    /// Lets go of everything that was held back, when the request ends otherwise than by a stop.
    func flush() {
        var rest = Array(detokenizer.finish().utf8)
        textMade += rest.count
        rest = stops.append(rest).released + stops.takeAll()
        deliver(rest, isLast: true)
    }

    private func choose(_ logits: UnsafeBufferPointer<Float>) -> TokenID {
        guard let matcher else {
            return sampler.choose(from: logits, mask: nil, index: generatedCount)
        }
        matcher.fillMask(&mask)
        return sampler.choose(from: logits, mask: mask, index: generatedCount)
    }

    /// What a chosen token means: an end, a stop text, or more text.
    private func accept(
        _ token: TokenID, logits: UnsafeBufferPointer<Float>, released: inout [UInt8]
    ) -> FinishReason? {
        if ends.contains(token) {
            endOfText(&released)
            return .stop
        }
        if matcher != nil, matcher?.accept(token) != true {
            // The mask allowed it, so this is the end of what the grammar allows.
            endOfText(&released)
            return .stop
        }
        let text = Array(detokenizer.append(token).utf8)
        textMade += text.count
        if let alternatives {
            waitingReports.append((report(token, logits, alternatives), textMade))
        }
        let progress = stops.append(text)
        released += progress.released
        if let found = progress.found {
            stopText = stopTexts[found]
            return .stop
        }
        if let matcher, matcher.mustEnd {
            endOfText(&released)
            return .stop
        }
        return nil
    }

    private func endOfText(_ released: inout [UInt8]) {
        let rest = Array(detokenizer.finish().utf8)
        textMade += rest.count
        released += stops.append(rest).released + stops.takeAll()
    }

    private func deliver(_ released: [UInt8], isLast: Bool) {
        textReleased += released.count
        var reports: [TokenReport] = []
        // With a stop text the tokens that spell it are not part of the answer.
        while let first = waitingReports.first,
            first.textEnd <= textReleased || (isLast && stopText == nil)
        {
            reports.append(first.report)
            waitingReports.removeFirst()
        }
        guard !released.isEmpty || !reports.isEmpty else { return }
        continuation.yield(.text(String(decoding: released, as: UTF8.self), tokens: reports))
    }

    private func report(
        _ token: TokenID, _ logits: UnsafeBufferPointer<Float>, _ count: Int
    ) -> TokenReport {
        let total = LogitArithmetic.logSumExp(logits)
        func probability(_ token: TokenID) -> TokenProbability {
            TokenProbability(
                token: token, bytes: spelling(token), logProbability: logits[Int(token)] - total)
        }
        return TokenReport(
            chosen: probability(token),
            alternatives: LogitArithmetic.largest(count, of: logits).map {
                probability(TokenID($0))
            })
    }

    /// A token's bytes; of a control token its name.
    private func spelling(_ token: TokenID) -> [UInt8] {
        let bytes = tokenizer.bytes(of: token)
        return bytes.isEmpty ? Array(tokenizer.piece(of: token).utf8) : bytes
    }
}
