import CNetlink
import Glibc
import KapokLinux
import KapokWorld

/// The UDP ports of the fabric (both unassigned by IANA).
public enum FabricPorts {
    /// Hellos.
    public static let hello: UInt16 = 7646
    /// News about links.
    public static let news: UInt16 = 7647
}

/// A socket for many datagrams at a time, over all ports of the switch: which port is told by the
/// kernel with each datagram.
final class DatagramSocket {
    /// The socket.
    let descriptor: Int32
    /// The most bytes of a datagram that are read: more than any message of the fabric has.
    static let slotBytes = 2_048
    private var buffer: [UInt8]
    private var info: [kapok_datagram]

    // What waits to be sent
    private var outgoing: [kapok_outgoing] = []
    private var outgoingBytes: [UInt8] = []

    /// What `make` gives, with timestamps, interface and TTL of what arrives.
    private init(type: Int32, protocolNumber: Int32) throws(SystemError) {
        let flags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        descriptor = socket(AF_INET, type | flags, protocolNumber)
        buffer = [UInt8](
            repeating: 0, count: Self.slotBytes * Int(kapok_datagrams_at_once))
        info = Array(repeating: kapok_datagram(), count: Int(kapok_datagrams_at_once))
        guard descriptor >= 0 else { throw lastSystemError("socket") }
        for (level, option, value) in [
            (SOL_SOCKET, SO_TIMESTAMPNS, Int32(1)), (Int32(IPPROTO_IP), IP_PKTINFO, 1),
            (Int32(IPPROTO_IP), IP_RECVTTL, 1), (Int32(IPPROTO_IP), IP_TTL, 255),
            // Never in pieces: a piece that is lost must not look like a lost hello.
            (Int32(IPPROTO_IP), IP_MTU_DISCOVER, IP_PMTUDISC_PROBE),
            (SOL_SOCKET, SO_PRIORITY, 6), (SOL_SOCKET, SO_RCVBUF, 1 << 20),
            (SOL_SOCKET, SO_SNDBUF, 4 << 20),
        ] {
            var value = value
            let size = socklen_t(MemoryLayout<Int32>.size)
            guard setsockopt(descriptor, level, option, &value, size) == 0 else {
                throw lastSystemError("setsockopt")
            }
        }
    }

    /// A UDP socket on all addresses of the namespace.
    convenience init(udp port: UInt16) throws(SystemError) {
        try self.init(type: Int32(SOCK_DGRAM.rawValue), protocolNumber: Int32(IPPROTO_UDP))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0 else { throw lastSystemError("bind", "UDP port \(port)") }
    }

    /// A raw ICMP socket that hears echo replies only.
    static func echo() throws(SystemError) -> DatagramSocket {
        let socket = try DatagramSocket(
            type: Int32(SOCK_RAW.rawValue), protocolNumber: Int32(IPPROTO_ICMP))
        // ICMP_FILTER (linux/icmp.h): one bit for each type that is not wanted.
        var unwanted = ~(UInt32(1) << UInt32(EchoMessage.reply))
        let size = socklen_t(MemoryLayout<UInt32>.size)
        guard setsockopt(socket.descriptor, 255, 1, &unwanted, size) == 0 else {
            throw lastSystemError("setsockopt", "ICMP_FILTER")
        }
        return socket
    }

    deinit { close(descriptor) }

    /// A datagram that came.
    struct Arrival {
        var interface: UInt32
        var source: UInt32
        var ttl: UInt32
        var arrival: Instant
        var bytes: ArraySlice<UInt8>
    }

    /// Hands up to `limit` waiting datagrams to `body`. Arrival times lie between `earliest` (what
    /// was read before came before it) and now, whatever happens to the clock of the day.
    func receive(
        limit: Int, earliest: Instant, _ body: (Arrival) -> Void
    ) throws(SystemError) -> Int {
        var all = 0
        while all < limit {
            let wanted = min(limit - all, info.count)
            let got = Int(
                kapok_receive_datagrams(
                    descriptor, &buffer, UInt32(Self.slotBytes), &info, Int32(wanted)))
            guard got >= 0 else { throw SystemError(code: Int32(-got), call: "recvmmsg") }
            if got == 0 { break }
            let clock = ClockPair()
            for (slot, item) in info[..<got].enumerated() where item.length <= Self.slotBytes {
                let start = slot * Self.slotBytes
                body(
                    Arrival(
                        interface: item.interface, source: item.source, ttl: item.ttl,
                        arrival: max(earliest, clock.monotonic(ofRealtime: item.arrival)),
                        bytes: buffer[start..<start + Int(item.length)]))
            }
            all += got
            if got < wanted { break }
        }
        return all
    }

    /// Puts a datagram in line; `flush` sends it.
    func enqueue(
        _ bytes: [UInt8], interface: UInt32, from source: UInt32, to destination: UInt32,
        port: UInt16
    ) {
        outgoing.append(
            kapok_outgoing(
                interface: interface, source: source, destination: destination,
                port: UInt32(port), offset: UInt32(outgoingBytes.count),
                length: UInt32(bytes.count), error: 0))
        outgoingBytes.append(contentsOf: bytes)
    }

    /// Sends what is in line. Returns how many could not be sent, and an errno of one of them.
    func flush() -> (failed: Int, code: Int32) {
        guard !outgoing.isEmpty else { return (0, 0) }
        let count = outgoing.count
        let sent = Int(
            kapok_send_datagrams(descriptor, outgoingBytes, &outgoing, Int32(count)))
        let code = sent < count ? outgoing.first { $0.error != 0 }?.error ?? 0 : 0
        outgoing.removeAll(keepingCapacity: true)
        outgoingBytes.removeAll(keepingCapacity: true)
        return (count - sent, code)
    }
}

/// The monotonic clock and the clock of the day, read together.
struct ClockPair {
    private let monotonic: UInt64
    private let realtime: UInt64

    init() {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        realtime = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        monotonic = MonotonicClock.now().nanoseconds
    }

    /// The instant of a time of day; now where that lies ahead or is not known (0).
    func monotonic(ofRealtime time: UInt64) -> Instant {
        guard time > 0, time < realtime else { return Instant(nanoseconds: monotonic) }
        let age = realtime - time
        return Instant(nanoseconds: monotonic > age ? monotonic - age : 0)
    }
}
