import Glibc
import KapokLinux
import KapokWorld

/// A host and a port, as `--prefill` and `--transfer-listen` name them.
public struct TransferEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address.
    public var host: String
    /// The port; 0 lets the kernel choose one to listen on.
    public var port: UInt16

    /// An endpoint from its parts.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT` or `[IPV6]:PORT`; nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    /// As it is read.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A socket's address.
struct TransferAddress: Sendable {
    var family: Int32
    var bytes: [UInt8]
}

/// The few calls that transfers make on sockets.
enum TransferSockets {
    /// Non-blocking, and not left to child processes.
    static func makePrivate(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// The addresses of an endpoint; a name may take as long as the resolver does.
    static func resolve(
        _ endpoint: TransferEndpoint, numeric: Bool, passive: Bool
    ) throws(TransferFault) -> [TransferAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags =
            AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0) | (passive ? AI_PASSIVE : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list)
        guard code == 0 else {
            throw TransferFault("\(endpoint): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var addresses: [TransferAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr {
                addresses.append(
                    TransferAddress(
                        family: entry.pointee.ai_family,
                        bytes: Array(
                            UnsafeRawBufferPointer(
                                start: address, count: Int(entry.pointee.ai_addrlen)))))
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }

    private static func withSocketAddress(
        _ address: TransferAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        address.bytes.withUnsafeBytes { bytes in
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
            return withUnsafePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(bytes.count))
                }
            }
        }
    }

    private static func make(_ family: Int32) throws(TransferFault) -> Int32 {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else {
            throw TransferFault("socket: \(String(cString: strerror(errno)))")
        }
        makePrivate(descriptor)
        return descriptor
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
        var on: Int32 = 1
        setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Small messages leave at once.
    static func sendAtOnce(_ descriptor: Int32) { set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) }

    /// Begins to connect; the socket becomes writable when that is done.
    static func connecting(to address: TransferAddress) throws(TransferFault) -> Int32 {
        let descriptor = try make(address.family)
        sendAtOnce(descriptor)
        let result = withSocketAddress(address) { connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw TransferFault("connecting: \(reason)")
        }
        return descriptor
    }

    /// Why a connection that was begun failed; nil when it stands.
    static func failure(of descriptor: Int32) -> String? {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        return code == 0 ? nil : String(cString: strerror(code))
    }

    /// A listening socket and the port that it has.
    static func listening(on endpoint: TransferEndpoint) throws(TransferFault) -> (Int32, UInt16) {
        let addresses = try resolve(endpoint, numeric: false, passive: true)
        guard let address = addresses.first else {
            throw TransferFault("\(endpoint) has no address")
        }
        let descriptor = try make(address.family)
        set(descriptor, SOL_SOCKET, SO_REUSEADDR)
        guard withSocketAddress(address, { bind(descriptor, $0, $1) }) == 0,
            listen(descriptor, 128) == 0
        else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw TransferFault("cannot listen on \(endpoint): \(reason)")
        }
        return (descriptor, port(of: descriptor))
    }

    /// The port is at the same place for both families (netinet/in.h).
    private static func port(of descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let result = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size)
            }
            guard result == 0 else { return 0 }
            return UnsafeRawPointer(pointer).load(fromByteOffset: 2, as: UInt16.self).bigEndian
        }
    }

    /// Waits for any of `items`, at most until `instant`.
    static func wait(_ items: inout [pollfd], until instant: Instant?) {
        var milliseconds: Int32 = -1
        if let instant {
            // Rounded up: a turn too early would find nothing due, and turn again.
            let rest = (instant - MonotonicClock.now()).nanoseconds
            milliseconds = Int32(clamping: (rest + 999_999) / 1_000_000)
        }
        _ = poll(&items, nfds_t(items.count), milliseconds)
    }

    /// Random bytes of the kernel.
    static func randomBytes(_ count: Int) -> [UInt8] {
        var source = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &source) }
    }
}
