/// What a model file holds, whatever its format: opened once, shared by all that read it.
public struct LanguageModelFile: Sendable {
    /// The model's shape.
    public var configuration: ModelConfiguration
    /// Its weights, still in the file.
    public var weights: ModelWeights
    /// What its tokenizer is made of.
    public var vocabulary: TokenizerDescription
    /// The Jinja source of its chat template, where it has one.
    public var chatTemplate: String?

    /// A model from its parts.
    public init(
        configuration: ModelConfiguration, weights: ModelWeights,
        vocabulary: TokenizerDescription, chatTemplate: String?
    ) {
        self.configuration = configuration
        self.weights = weights
        self.vocabulary = vocabulary
        self.chatTemplate = chatTemplate
    }
}
