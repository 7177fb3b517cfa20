/// Why a measurement could not be made. What goes wrong within one is counted, not thrown.
public enum BenchError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An option that makes no sense; the text says which and why.
    case invalidOption(String)
    /// No connection could be opened; the text says to where and why.
    case unreachable(String)
    /// The endpoint refused the bucket or the objects to read; the text says what it answered.
    case preparation(String)

    /// One line for a person.
    public var description: String {
        switch self {
        case .invalidOption(let text): text
        case .unreachable(let text): "cannot reach the endpoint: \(text)"
        case .preparation(let text): "cannot prepare the measurement: \(text)"
        }
    }
}
