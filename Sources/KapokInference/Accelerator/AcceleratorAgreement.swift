public import KapokAccelerator
public import KapokModel

/// How far a model's logits, computed value by value by the kernels on a simulated core, are from
/// the reference of its graph in double precision.
public struct AcceleratorAgreement: Hashable, Codable, Sendable {
    /// Tokens of the prompt, and tokens after it, one at a time from the cache.
    public var prompt: Int
    public var decoded: Int
    /// The largest difference of a logit, in units of the root mean square of the logits.
    public var largestError: Double
    /// The root mean square of the differences, in the same units.
    public var meanError: Double
    /// Tokens after which both have the same first choice.
    public var equalChoices: Int

    /// The largest model that is computed, in weights: its matrices are kept in FP32, and each
    /// token passes through a simulated core.
    public static let maximumParameters = 500_000_000
    /// Bounds of both errors in BF16: what models of some dozen blocks give is about a third.
    public static let largestErrorBound = 0.25
    public static let meanErrorBound = 0.06

    /// Whether the errors are those of BF16.
    public var isWithinBounds: Bool {
        largestError <= Self.largestErrorBound && meanError <= Self.meanErrorBound
    }

    /// Computes five tokens of a prompt and two after it, by the kernels and by the reference.
    ///
    /// - Throws: ``LoweringError`` for a model that is too large or has no kernels, an error of the
    ///   simulated core otherwise.
    public init(_ file: LanguageModelFile, machine: Machine) throws {
        let configuration = file.configuration
        let parameters = ModelGraph(configuration).multiplicationsPerToken
        guard parameters <= Self.maximumParameters else {
            throw LoweringError(
                "a model of \(parameters) weights",
                why: "up to \(Self.maximumParameters) are computed value by value",
                remedy: "Verify with a smaller model of the same family")
        }
        (prompt, decoded) = (5, 2)
        let vocabulary = configuration.vocabularySize
        // Any tokens will do; these lie far apart.
        let tokens = (1...(prompt + decoded)).map { TokenID($0 * 7919 % vocabulary) }
        var decoder = try AcceleratedDecoder(
            configuration: configuration, weights: file.weights, machine: machine)
        var logits = try decoder.prefill(Array(tokens[..<prompt]))
        for token in tokens[prompt...] { logits.append(try decoder.decode(token)) }
        let wanted = ReferenceModel(file).logits(tokens)
        (largestError, meanError, equalChoices) = (0, 0, 0)
        var (squares, errors) = (0.0, 0.0)
        for (row, reference) in zip(logits, wanted) {
            for (value, other) in zip(row, reference) {
                let difference = abs(Double(value) - Double(other))
                largestError = difference.isNaN ? .infinity : max(largestError, difference)
                errors += difference * difference
                squares += Double(other) * Double(other)
            }
            let choice = row.indices.max { row[$0] < row[$1] }
            if choice == reference.indices.max(by: { reference[$0] < reference[$1] }) {
                equalChoices += 1
            }
        }
        let scale = (squares / Double(logits.count * vocabulary)).squareRoot()
        largestError /= scale
        meanError = (errors / squares).squareRoot()
    }
}
