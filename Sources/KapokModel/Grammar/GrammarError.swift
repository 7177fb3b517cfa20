/// Why a constraint cannot be enforced.
public struct GrammarError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of fault it is.
    public enum Kind: Hashable, Sendable {
        /// The schema or expression is malformed.
        case invalid
        /// It is well formed, but uses what Kapok does not enforce.
        case unsupported
        /// No text at all conforms to it.
        case unsatisfiable
        /// It is larger than what is allowed.
        case tooLarge
    }

    /// What kind of fault it is.
    public var kind: Kind
    /// Where: a JSON pointer into the schema ("#/properties/a"), "character 5" of an expression,
    /// or empty.
    public var place: String
    /// What is wrong.
    public var problem: String

    /// An error from its parts.
    public init(_ kind: Kind, at place: String = "", _ problem: String) {
        self.kind = kind
        self.place = place
        self.problem = problem
    }

    /// The place, where there is one, and the problem.
    public var description: String { place.isEmpty ? problem : "\(place): \(problem)" }
}
