/// Why a chat template cannot be read or rendered, and where.
public struct TemplateError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of fault it is.
    public enum Kind: Hashable, Sendable {
        /// The template is malformed.
        case syntax
        /// It uses a part of Jinja that Kapok does not have.
        case unsupported
        /// It was rendered with values that it cannot deal with.
        case rendering
        /// The template itself refused its input (`raise_exception`): the messages are at fault.
        case refused
        /// It is larger, deeper or longer at work than what is allowed.
        case limit
    }

    /// What kind of fault it is.
    public var kind: Kind
    /// The line, from 1.
    public var line: Int
    /// The column, from 1, in Unicode scalars.
    public var column: Int
    /// What is wrong.
    public var problem: String

    /// An error from its parts.
    public init(_ kind: Kind, line: Int, column: Int, _ problem: String) {
        self.kind = kind
        self.line = line
        self.column = column
        self.problem = problem
    }

    /// The place and the problem; a refusal of the template without its place.
    public var description: String {
        kind == .refused
            ? "the chat template refuses the messages: \(problem)"
            : "chat template, line \(line), column \(column): \(problem)"
    }
}

/// A place in a template's source.
struct TemplatePlace: Hashable, Sendable {
    var line: Int32
    var column: Int32

    func error(_ kind: TemplateError.Kind, _ problem: String) -> TemplateError {
        TemplateError(kind, line: Int(line), column: Int(column), problem)
    }
}

/// What bounds a template's work.
enum TemplateLimits {
    /// Bytes of a template.
    static let source = 1 << 20
    /// Bytes of a rendered text, and of any text in between.
    static let output = 16 << 20
    /// Evaluations, loop turns, and 64 bytes of text made, each.
    static let steps = 3_000_000
    /// How deep statements and expressions may be nested in the source.
    static let nesting = 64
    /// How deep macros may call each other.
    static let calls = 48
    /// How deep statements and expressions may be nested at work, over all macros.
    static let depth = 400
    /// Elements of a range.
    static let range = 100_000
}
