/// Why an agent refuses a datagram. The agent stays as it was and counts it under `counter`.
public enum DatagramRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// Neither a hello nor news of a version that is known.
    case malformed(String)
    /// The code does not fit the bytes: forged, damaged, or of another fabric.
    case badCode
    /// Sent before: its number is not above the last one.
    case replayed
    /// From a switch or port that is not at the far end of this link.
    case wrongSender(PortID)
    /// To or from an earlier life of an agent.
    case wrongIncarnation

    public var description: String {
        switch self {
        case .malformed(let what): "malformed: \(what)"
        case .badCode: "its authentication code is wrong"
        case .replayed: "it was sent before"
        case .wrongSender(let sender): "its sender is \(sender), which is not the neighbour"
        case .wrongIncarnation: "it belongs to an earlier life of an agent"
        }
    }

    /// The counter's name behind the kind of the datagram: `hello_replayed`.
    public var counter: String {
        switch self {
        case .malformed: "malformed"
        case .badCode: "bad_code"
        case .replayed: "replayed"
        case .wrongSender: "wrong_sender"
        case .wrongIncarnation: "wrong_incarnation"
        }
    }
}

/// The first four bytes of every datagram between agents.
enum DatagramKind {
    static let magic: UInt8 = 0x4B
    static let version: UInt8 = 1
    static let hello: UInt8 = 1
    /// News on its way through the fabric.
    static let news: UInt8 = 2
    /// All the news that both ends of a link should know, sent when their digests differ.
    static let summary: UInt8 = 3
}
