import KapokSimulation
import KapokWorld

/// A stop-and-wait transport between many pairs of nodes: numbered messages, acknowledgements, and
/// retransmission by timers whose length follows the measured round trips (RFC 6298, with Karn's
/// rule). Small, but with all that the loop meets in real scenarios: a network that loses,
/// duplicates and reorders, timers that are put off, state spread over memory.
struct Retransmission: Scenario {
    /// 12 bytes. `session` numbers a pair of nodes.
    enum Event {
        case data(session: UInt32, sequence: UInt32)
        case acknowledgement(session: UInt32, sequence: UInt32)
        case timer(session: UInt32)
    }

    static let minimumTimeout: UInt64 = 1_000_000
    static let maximumTimeout: UInt64 = 200_000_000

    /// Both ends of one pair.
    struct Session {
        var source: UInt16
        var target: UInt16
        /// The message under way.
        var sequence: UInt32 = 0
        /// The message that the receiver waits for.
        var expected: UInt32 = 0
        var isRetransmitted = false
        var sentAt = Instant.zero
        /// When the message under way is sent again. The timer event that is pending may be due
        /// earlier: then it only moves on to here.
        var deadline = Instant.zero
        /// In nanoseconds; zero before the first measurement.
        var smoothedRoundTrip: UInt64 = 0
        var roundTripVariation: UInt64 = 0
        var timeout: UInt64 = 10_000_000
    }

    var network: SimulatedNetwork
    var sessions: [Session]
    /// Messages that reached their receiver for the first time.
    private(set) var delivered: UInt64 = 0
    private(set) var retransmitted: UInt64 = 0

    init(nodeCount: Int, sessionCount: Int, seed: UInt64) {
        let root = RandomStream(seed: seed)
        network = SimulatedNetwork(
            nodeCount: nodeCount,
            profile: LinkProfile(
                delay: .tailed(minimum: .microseconds(50), meanExcess: .microseconds(100)),
                loss: 0.01, duplication: 0.005, reordering: 0.02,
                reorderWindow: .microseconds(500)),
            random: root.split("network"))
        var random = root.split("sessions")
        sessions = (0..<sessionCount).map { _ in
            Session(
                source: UInt16(random.below(nodeCount)), target: UInt16(random.below(nodeCount)))
        }
    }

    /// Sends the first message of each session.
    mutating func start(in agenda: inout Agenda<Event>) {
        for number in sessions.indices {
            let session = UInt32(number)
            transmit(session, in: &agenda)
            agenda.schedule(.timer(session: session), at: sessions[number].deadline)
        }
    }

    static func mix(_ event: Event, into trace: inout TraceHash) {
        switch event {
        case .data(let session, let sequence): trace.mix(UInt64(session) << 32 | UInt64(sequence))
        case .acknowledgement(let session, let sequence):
            trace.mix(1 << 63 | UInt64(session) << 32 | UInt64(sequence))
        case .timer(let session): trace.mix(1 << 62 | UInt64(session))
        }
    }

    mutating func handle(_ event: Event, in agenda: inout Agenda<Event>) {
        switch event {
        case .data(let session, let sequence): receive(session, sequence, in: &agenda)
        case .acknowledgement(let session, let sequence):
            acknowledge(session, sequence, in: &agenda)
        case .timer(let session): expire(session, in: &agenda)
        }
    }

    private mutating func receive(
        _ session: UInt32, _ sequence: UInt32, in agenda: inout Agenda<Event>
    ) {
        let index = Int(session)
        precondition(sequence <= sessions[index].expected, "a message from the future")
        if sequence == sessions[index].expected {
            sessions[index].expected += 1
            delivered += 1
        }
        network.send(
            from: Int(sessions[index].target), to: Int(sessions[index].source), sequence,
            in: &agenda
        ) { .acknowledgement(session: session, sequence: $0) }
    }

    private mutating func acknowledge(
        _ session: UInt32, _ sequence: UInt32, in agenda: inout Agenda<Event>
    ) {
        let index = Int(session)
        guard sequence == sessions[index].sequence else { return }
        if !sessions[index].isRetransmitted {
            sessions[index].measure((agenda.now - sessions[index].sentAt).nanoseconds)
        }
        sessions[index].sequence += 1
        sessions[index].isRetransmitted = false
        transmit(session, in: &agenda)
    }

    private mutating func expire(_ session: UInt32, in agenda: inout Agenda<Event>) {
        let index = Int(session)
        if agenda.now >= sessions[index].deadline {
            sessions[index].timeout = min(2 * sessions[index].timeout, Self.maximumTimeout)
            sessions[index].isRetransmitted = true
            retransmitted += 1
            transmit(session, in: &agenda)
        }
        agenda.schedule(.timer(session: session), at: sessions[index].deadline)
    }

    private mutating func transmit(_ session: UInt32, in agenda: inout Agenda<Event>) {
        let index = Int(session)
        sessions[index].sentAt = agenda.now
        sessions[index].deadline = agenda.now + Interval(nanoseconds: sessions[index].timeout)
        network.send(
            from: Int(sessions[index].source), to: Int(sessions[index].target),
            sessions[index].sequence, in: &agenda
        ) { .data(session: session, sequence: $0) }
    }
}

extension Retransmission.Session {
    /// RFC 6298, section 2, in whole nanoseconds.
    fileprivate mutating func measure(_ roundTrip: UInt64) {
        if smoothedRoundTrip == 0 {
            smoothedRoundTrip = roundTrip
            roundTripVariation = roundTrip / 2
        } else {
            let difference =
                smoothedRoundTrip > roundTrip
                ? smoothedRoundTrip - roundTrip : roundTrip - smoothedRoundTrip
            roundTripVariation = (3 * roundTripVariation + difference) / 4
            smoothedRoundTrip = (7 * smoothedRoundTrip + roundTrip) / 8
        }
        timeout = min(
            max(smoothedRoundTrip + 4 * roundTripVariation, Retransmission.minimumTimeout),
            Retransmission.maximumTimeout)
    }
}
