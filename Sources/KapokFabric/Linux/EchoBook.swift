import KapokWorld

/// The echo requests that were sent and not yet answered, the latest of them.
struct EchoBook {
    /// Who was asked.
    enum Asked: Hashable {
        /// The neighbour at a port.
        case neighbor(Int)
        /// The own kernel.
        case own
    }

    /// Requests that are remembered; the oldest are forgotten.
    static let limit = 1_024

    private let identifier = UInt16.random(in: 0...UInt16.max)
    private var sequence: UInt16 = 0
    private var slots: [(message: EchoMessage, asked: Asked)?] = Array(
        repeating: nil, count: limit)

    private var lastAsked = Instant.zero

    /// Whether an answer may still come: a second after the last request nobody waits for one.
    func hasUnanswered(at now: Instant) -> Bool {
        lastAsked > .zero && now - lastAsked < .seconds(1)
    }

    /// A new request.
    mutating func ask(_ asked: Asked, at now: Instant) -> EchoMessage {
        lastAsked = now
        sequence &+= 1
        let message = EchoMessage(
            identifier: identifier, sequence: sequence, cookie: .random(in: 0...UInt64.max))
        slots[Int(sequence) % Self.limit] = (message, asked)
        return message
    }

    /// Who was asked what this answers; nil for an answer to nothing, or a second one.
    mutating func take(_ reply: EchoMessage) -> Asked? {
        let slot = Int(reply.sequence) % Self.limit
        guard let known = slots[slot], known.message == reply else { return nil }
        slots[slot] = nil
        return known.asked
    }
}
