/// Why a model file cannot be used: what is wrong, where, and what to do.
public struct ModelFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is, for code that decides by it.
    public enum Reason: Hashable, Sendable {
        /// The system refuses to open or read it.
        case unreadable
        /// The bytes break the format's rules: cut short, damaged, or another format.
        case malformed
        /// Well-formed, but something that Kapok does not do.
        case unsupported
        /// A key, tensor or file that the model needs is not there.
        case missing
    }

    /// What kind of failure it is.
    public var reason: Reason
    /// The file.
    public var path: String
    /// Where in it: a key, a tensor, a byte; empty when it is about the file as a whole.
    public var place: String
    /// What is wrong.
    public var problem: String
    /// What can be done about it; empty when nothing is known.
    public var remedy: String

    /// An error from its parts.
    public init(
        _ reason: Reason, path: String, place: String = "", _ problem: String, remedy: String = ""
    ) {
        self.reason = reason
        self.path = path
        self.place = place
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String {
        let text = place.isEmpty ? "\(path): \(problem)" : "\(path): \(place): \(problem)"
        return remedy.isEmpty ? text : "\(text); \(remedy)"
    }
}
