import Foundation
public import KapokWorld

/// How probes run.
public struct LabProbeOptions: Hashable, Sendable {
    /// Between two packets of a flow.
    public var interval: Interval = .milliseconds(1)
    /// Flows in each direction; they differ in their source port.
    public var flows = 12
    /// How long packets are sent.
    public var duration: Interval = .milliseconds(3_500)

    public init() {}

    /// The first flow's source port; the others follow.
    static let firstPort: UInt16 = 20_000
    /// Where receivers listen.
    static let port: UInt16 = 7_009

    /// Packets of each flow.
    var slots: Int { Int(duration.nanoseconds / interval.nanoseconds) }
}

/// What became of one flow.
public struct LabFlowResult: Hashable, Sendable, Codable {
    /// Packets sent; those whose time had passed when the sender got to run were not.
    public var sent: Int
    /// Packets that never came.
    public var lost: Int
    /// The longest run of packets that never came, in milliseconds of sending; at the end of the
    /// probe too.
    public var lostMilliseconds: Double
    /// Packets that came after a later one.
    public var reordered: Int
    /// Packets that came more than once.
    public var duplicated: Int
    /// Whether the last packet was among those that never came.
    public var isLostAtEnd: Bool
}

/// What became of all flows.
public struct LabProbeResult: Sendable {
    /// From the first host to the last one.
    public var forth: [LabFlowResult]
    /// The other way.
    public var back: [LabFlowResult]
    /// Times to send that passed while the sender did not run; nothing was sent and nothing lost.
    public var lateSlots: Int
    /// Whether the probe's threads had a place before all ordinary ones.
    public var isPrivileged: Bool
}

/// Probes both ways between two hosts: one thread sends, one receives.
///
/// The sender keeps to absolute times. One that gets to run too late by more than an interval skips
/// what it missed instead of sending it in one go: what was not sent cannot be lost, and a stall of
/// the probe is no fault of the network.
final class LabProbe: @unchecked Sendable {
    private let options: LabProbeOptions
    private let senders: [[Int32]]
    private let receivers: [Int32]
    private let record: ProbeRecord
    private var waitForSender: (@Sendable () -> Result<Bool, any Error>)?
    private var waitForReceiver: (@Sendable () -> Result<Void, any Error>)?

    /// What each packet holds: a number that no other run of probes has, direction, flow, slot.
    private static let packetBytes = 32
    /// The receiver's real-time priority; the sender's is one above. Hosts are other machines in
    /// real networks: agents (`AgentOptions.priority`) must not keep them from sending.
    private static let priority: Int32 = 60
    /// How long the last packets may take.
    private static let patience: Interval = .milliseconds(300)

    init(
        between ends: (DestinationID, DestinationID), of layout: LabLayout,
        _ options: LabProbeOptions
    ) throws {
        self.options = options
        let hosts = [ends.0, ends.1]
        record = ProbeRecord(flows: options.flows, slots: options.slots)
        receivers = try hosts.map { host in
            try LabNamespace(name: layout.namespace(ofHost: host)).inside {
                try Self.receiver()
            }
        }
        senders = try hosts.enumerated().map { direction, host in
            let target = layout.hostAddress(of: hosts[1 - direction])
            return try LabNamespace(name: layout.namespace(ofHost: host)).inside {
                try (0..<options.flows).map { flow in
                    try Self.sender(from: LabProbeOptions.firstPort + UInt16(flow), to: target)
                }
            }
        }
    }

    deinit {
        for descriptor in senders.joined() { close(descriptor) }
        for descriptor in receivers { close(descriptor) }
    }

    private static func receiver() throws -> Int32 {
        let descriptor = try bound(to: LabProbeOptions.port)
        // Room for what comes while the receiver does not run.
        var size: Int32 = 16 << 20
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    private static func sender(from port: UInt16, to address: UInt32) throws -> Int32 {
        let descriptor = try bound(to: port)
        var target = LabSocket.address(address, port: LabProbeOptions.port)
        let result = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            throw LabFailure("a host has no way out: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    private static func bound(to port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else {
            throw LabFailure("no socket: \(String(cString: strerror(errno)))")
        }
        var own = LabSocket.address(0, port: port)
        let result = withUnsafePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let why = String(cString: strerror(errno))
            close(descriptor)
            throw LabFailure("a probe cannot have port \(port) in its host: \(why)")
        }
        return descriptor
    }

    /// Starts sending, now. Answers when the first packets leave.
    func start() -> Instant {
        let start = LabClock.now() + .milliseconds(5)
        let run = UInt64.random(in: .min ... .max)
        let end = start + options.duration + Self.patience
        waitForReceiver = LabThread.start(name: "probe-receive") { [self] in
            _ = LabThread.runFirst(priority: Self.priority)
            receive(run: run, until: end)
        }
        waitForSender = LabThread.start(name: "probe-send") { [self] in
            let isPrivileged = LabThread.runFirst(priority: Self.priority + 1)
            send(run: run, from: start)
            return isPrivileged
        }
        return start
    }

    /// Waits for the end and counts.
    func finish() throws -> LabProbeResult {
        guard let waitForSender, let waitForReceiver else {
            preconditionFailure("a probe is started before it is finished")
        }
        let isPrivileged = try waitForSender().get()
        try waitForReceiver().get()
        let results = (0..<2).map { direction in
            (0..<options.flows).map { flow in
                record.result(direction, flow, intervalNanoseconds: options.interval.nanoseconds)
            }
        }
        return LabProbeResult(
            forth: results[0], back: results[1], lateSlots: record.lateSlots,
            isPrivileged: isPrivileged)
    }

    private func send(run: UInt64, from start: Instant) {
        let interval = options.interval.nanoseconds
        var packet = [UInt8](repeating: 0, count: Self.packetBytes)
        packet.withUnsafeMutableBytes { $0.storeBytes(of: run, as: UInt64.self) }
        for slot in 0..<options.slots {
            let due = Instant(nanoseconds: start.nanoseconds + UInt64(slot) * interval)
            LabClock.sleep(until: due)
            if (LabClock.now() - due).nanoseconds >= interval {
                record.lateSlots += 1
                continue
            }
            for direction in 0..<2 {
                for flow in 0..<options.flows {
                    packet.withUnsafeMutableBytes { bytes in
                        bytes.storeBytes(of: UInt32(direction), toByteOffset: 8, as: UInt32.self)
                        bytes.storeBytes(of: UInt32(flow), toByteOffset: 12, as: UInt32.self)
                        bytes.storeBytes(of: UInt32(slot), toByteOffset: 16, as: UInt32.self)
                    }
                    record.markSent(direction, flow, slot)
                    // A pending error of an earlier packet is reported once, instead of sending.
                    for _ in 0..<2
                    where Glibc.send(
                        senders[direction][flow], packet, packet.count, Int32(MSG_DONTWAIT)
                    ) >= 0 { break }
                }
            }
        }
    }

    private func receive(run: UInt64, until end: Instant) {
        var buffer = [UInt8](repeating: 0, count: 64)
        var pollers = receivers.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while LabClock.now() < end {
            guard poll(&pollers, nfds_t(pollers.count), 20) > 0 else { continue }
            for descriptor in receivers {
                while recv(descriptor, &buffer, buffer.count, 0) == Self.packetBytes {
                    let fields = buffer.withUnsafeBytes { bytes in
                        (
                            bytes.loadUnaligned(as: UInt64.self),
                            Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)),
                            Int(bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)),
                            Int(bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
                        )
                    }
                    guard fields.0 == run else { continue }
                    record.markReceived(fields.1, fields.2, fields.3)
                }
            }
        }
    }
}

/// What the probes' two threads write down: each has memory of its own, read after both have ended.
private final class ProbeRecord: @unchecked Sendable {
    private let flows: Int
    private let slots: Int
    private let wasSent: UnsafeMutableBufferPointer<Bool>
    private let arrivals: UnsafeMutableBufferPointer<UInt8>
    private let latest: UnsafeMutableBufferPointer<Int>
    private let reordered: UnsafeMutableBufferPointer<Int>
    var lateSlots = 0

    init(flows: Int, slots: Int) {
        self.flows = flows
        self.slots = slots
        wasSent = .allocate(capacity: 2 * flows * slots)
        wasSent.initialize(repeating: false)
        arrivals = .allocate(capacity: 2 * flows * slots)
        arrivals.initialize(repeating: 0)
        latest = .allocate(capacity: 2 * flows)
        latest.initialize(repeating: -1)
        reordered = .allocate(capacity: 2 * flows)
        reordered.initialize(repeating: 0)
    }

    deinit {
        wasSent.deallocate()
        arrivals.deallocate()
        latest.deallocate()
        reordered.deallocate()
    }

    func markSent(_ direction: Int, _ flow: Int, _ slot: Int) {
        wasSent[(direction * flows + flow) * slots + slot] = true
    }

    func markReceived(_ direction: Int, _ flow: Int, _ slot: Int) {
        guard (0..<2).contains(direction), (0..<flows).contains(flow), (0..<slots).contains(slot)
        else { return }
        let row = direction * flows + flow
        let at = row * slots + slot
        if arrivals[at] < .max { arrivals[at] += 1 }
        if arrivals[at] > 1 { return }
        if slot < latest[row] { reordered[row] += 1 } else { latest[row] = slot }
    }

    func result(
        _ direction: Int, _ flow: Int, intervalNanoseconds: UInt64
    ) -> LabFlowResult {
        let row = direction * flows + flow
        let range = row * slots..<(row + 1) * slots
        return LabFlowResult(
            sent: wasSent[range], arrivals: arrivals[range], reordered: reordered[row],
            intervalMilliseconds: Double(intervalNanoseconds) / 1e6)
    }
}

extension LabFlowResult {
    /// Counts a flow. A time at which nothing was sent ends no run of losses, and begins none: it
    /// counts only between two packets that were lost, where the network may have failed too.
    init(
        sent wasSent: some Collection<Bool>, arrivals: some Collection<UInt8>, reordered: Int,
        intervalMilliseconds: Double
    ) {
        sent = 0
        lost = 0
        duplicated = 0
        self.reordered = reordered
        isLostAtEnd = false
        var longest = 0
        var run = 0
        var unknown = 0
        for (isSent, count) in zip(wasSent, arrivals) {
            guard isSent else {
                if run > 0 { unknown += 1 }
                continue
            }
            sent += 1
            isLostAtEnd = count == 0
            if count == 0 {
                lost += 1
                run += unknown + 1
                longest = max(longest, run)
            } else {
                run = 0
                if count > 1 { duplicated += Int(count) - 1 }
            }
            unknown = 0
        }
        lostMilliseconds = Double(longest) * intervalMilliseconds
    }
}

/// The clock that never goes back.
enum LabClock {
    static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    static func sleep(until instant: Instant) {
        var time = timespec(
            tv_sec: Int(instant.nanoseconds / 1_000_000_000),
            tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}
