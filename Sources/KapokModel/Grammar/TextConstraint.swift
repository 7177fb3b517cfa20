/// What a generated text must conform to.
public enum TextConstraint: Hashable, Sendable {
    /// Any JSON object (OpenAI's `json_object`).
    case jsonObject
    /// A JSON text of this schema (JSON Schema 2020-12, the subset that the docs name).
    case jsonSchema(JSONValue)
    /// Text that matches a regular expression as a whole (the subset that the docs name).
    case regularExpression(String)
    /// One of these texts.
    case choice([String])
    /// Calls of tools, each with arguments that conform to its tool's schema.
    case toolCalls(ToolCallConstraint)
}

/// The text of one or more calls of tools: `opening call (separator call)* closing`.
public struct ToolCallConstraint: Hashable, Sendable {
    /// One tool's call: `prefix arguments suffix`.
    public struct Call: Hashable, Sendable {
        /// The text before the arguments, with the tool's name in it.
        public var prefix: String
        /// The schema of the arguments.
        public var arguments: JSONValue
        /// The text after the arguments.
        public var suffix: String

        /// A call from its parts.
        public init(prefix: String, arguments: JSONValue, suffix: String) {
            self.prefix = prefix
            self.arguments = arguments
            self.suffix = suffix
        }
    }

    /// The text before the first call.
    public var opening: String
    /// The calls to choose from.
    public var calls: [Call]
    /// The text between two calls.
    public var separator: String
    /// The text after the last call.
    public var closing: String
    /// How many calls there may be, at least 1.
    public var maximumCalls: Int

    /// A constraint from its parts.
    public init(
        opening: String, calls: [Call], separator: String, closing: String, maximumCalls: Int
    ) {
        self.opening = opening
        self.calls = calls
        self.separator = separator
        self.closing = closing
        self.maximumCalls = maximumCalls
    }
}
