/// What a prediction is asked for.
public struct ServingWorkload: Hashable, Codable, Sendable {
    /// Tokens of a prompt; prompts are computed one at a time.
    public var prompt: Int
    /// Tokens of an answer, the first of which the prompt's pass gives.
    public var generate: Int
    /// Sequences that decode together.
    public var batch: Int

    /// A workload.
    public init(prompt: Int = 512, generate: Int = 128, batch: Int = 1) {
        self.prompt = prompt
        self.generate = generate
        self.batch = batch
    }

    /// Positions that a token attends to, its own included, half way through the answer: the
    /// passes after the prompt have `prompt + 1` to `prompt + generate - 1`.
    public var decodeLength: Int { prompt + max(1, generate / 2) }

    /// Refuses what the kernels do not take.
    ///
    /// - Parameter context: the longest sequence of the model.
    func check(context: Int) throws(LoweringError) {
        guard prompt >= 1, generate >= 1 else {
            throw LoweringError(
                "a prompt of \(prompt) tokens and an answer of \(generate)",
                why: "both have at least one token", remedy: "Ask for more")
        }
        guard (1...Self.maximumBatch).contains(batch) else {
            throw LoweringError(
                "a batch of \(batch)",
                why: "the tokens of 1 to \(Self.maximumBatch) sequences "
                    + "fill the columns of the array", remedy: "Ask for a batch in that range")
        }
        let (sum, isTooLarge) = prompt.addingReportingOverflow(generate)
        guard !isTooLarge, sum <= context else {
            throw LoweringError(
                "a prompt of \(prompt) tokens and an answer of \(generate)",
                why: "the model has a context of \(context)", remedy: "Ask for fewer tokens")
        }
        guard prompt <= Self.maximumPrompt else {
            throw LoweringError(
                "a prompt of \(prompt) tokens",
                why: "up to \(Self.maximumPrompt) are simulated, to bound time and memory",
                remedy: "Ask for a shorter one")
        }
    }

    /// Sequences that can decode together: tokens are stationary in the last kernel.
    private static let maximumBatch = 128
    /// Attention to so many positions takes minutes to simulate.
    private static let maximumPrompt = 32_768
}
