/// Why a model, or a wish for it, cannot be lowered to the accelerator.
public struct LoweringError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was found.
    public var what: String
    /// Why that cannot be lowered.
    public var why: String
    /// What to do instead.
    public var remedy: String

    /// An error from its three parts.
    public init(_ what: String, why: String, remedy: String) {
        self.what = what
        self.why = why
        self.remedy = remedy
    }

    public var description: String { "\(what): \(why). \(remedy)" }
}
