/// What a generated text must conform to.
public enum TextConstraint: Sendable {
    /// Any JSON object (OpenAI's `json_object`).
    case jsonObject
    /// A JSON text of this schema (JSON Schema 2020-12, the subset that the docs name).
    case jsonSchema(JSONValue)
    /// Text that matches a regular expression as a whole (the subset that the docs name).
    case regularExpression(String)
    /// One of these texts.
    case choice([String])
}
