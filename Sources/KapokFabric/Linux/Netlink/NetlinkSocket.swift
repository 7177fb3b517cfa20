import CNetlink
import Glibc
package import KapokLinux

/// A conversation with the kernel's routing tables, or an ear for its news.
package final class NetlinkSocket {
    /// The socket; never waits.
    package let descriptor: Int32
    private var buffer: [UInt8]
    private var nextSequence: UInt32 = 1

    /// A request that the kernel refused.
    package struct Refusal: Error, Hashable, CustomStringConvertible {
        package var sequence: UInt32
        package var code: Int32
        package var text: String

        package var description: String {
            let reason = String(cString: strerror(code))
            return text.isEmpty ? reason : "\(reason) (\(text))"
        }
    }

    /// Opens a socket in the thread's network namespace that hears the news of `groups`
    /// (`RTNLGRP_…`).
    package init(groups: [Int] = []) throws(SystemError) {
        buffer = [UInt8](repeating: 0, count: 1 << 16)
        let type = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_NETLINK, type | Int32(SOCK_NONBLOCK.rawValue), NETLINK_ROUTE)
        guard descriptor >= 0 else { throw lastSystemError("socket", "netlink") }
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard bound == 0 else { throw lastSystemError("bind", "netlink") }
        for (level, option, value) in [
            (SOL_SOCKET, SO_RCVBUF, 4 << 20),
            (Self.netlinkLevel, Int32(NETLINK_CAP_ACK), 1),
            (Self.netlinkLevel, Int32(NETLINK_EXT_ACK), 1),
        ] + groups.map({ (Self.netlinkLevel, Int32(NETLINK_ADD_MEMBERSHIP), $0) }) {
            var value = Int32(value)
            let size = socklen_t(MemoryLayout<Int32>.size)
            guard setsockopt(descriptor, level, option, &value, size) == 0 else {
                throw lastSystemError("setsockopt", "netlink")
            }
        }
    }

    deinit { close(descriptor) }

    /// `SOL_NETLINK` (linux/socket.h is the kernel's own).
    private static let netlinkLevel: Int32 = 270

    /// A number for the next request.
    package func sequence() -> UInt32 {
        nextSequence = nextSequence == .max ? 1 : nextSequence + 1
        return nextSequence
    }

    /// Sends requests and waits for the kernel's answers. Returns those that were refused. The
    /// kernel works while it takes the requests, so nothing is left to wait for afterwards.
    package func perform(_ batch: inout NetlinkBatch) throws(SystemError) -> [Refusal] {
        guard batch.count > 0 else { return [] }
        let last = nextSequence
        batch.acknowledgeLast()
        try send(batch)
        var refusals: [Refusal] = []
        var isAnswered = false
        while !isAnswered {
            try receive { record in
                guard case .answer(let sequence, let code, let text) = record else { return }
                if code != 0 {
                    refusals.append(Refusal(sequence: sequence, code: code, text: text))
                }
                if sequence == last { isAnswered = true }
            }
        }
        return refusals
    }

    private func send(_ batch: NetlinkBatch) throws(SystemError) {
        let sent = batch.bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, 0)
        }
        guard sent == batch.bytes.count else { throw lastSystemError("send", "netlink") }
    }

    /// Asks for a list (`RTM_GET…`) and hands each record to `body` until its end. `fixed` is the
    /// request's fixed part.
    package func list(_ type: Int, fixed: [UInt8], _ body: (KernelRecord) -> Void)
        throws(SystemError)
    {
        var batch = NetlinkBatch()
        let wanted = sequence()
        batch.begin(type: type, flags: Int(NLM_F_DUMP), sequence: wanted)
        for byte in fixed { batch.put(byte) }
        batch.end()
        try send(batch)
        var refused: Int32?
        var isDone = false
        while !isDone {
            try receive { record in
                switch record {
                case .done(let sequence) where sequence == wanted: isDone = true
                case .answer(let sequence, let code, _) where sequence == wanted:
                    refused = code
                    isDone = true
                default: body(record)
                }
            }
        }
        if let refused, refused != 0 { throw SystemError(code: refused, call: "netlink list") }
    }

    /// Waits until something comes (at most a second, which the kernel never takes) and hands its
    /// records to `body`.
    private func receive(_ body: (KernelRecord) -> Void) throws(SystemError) {
        guard try readWaiting(body) == 0 else { return }
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let ready = poll(&item, 1, 1_000)
        if ready == 0 { throw SystemError(code: ETIMEDOUT, call: "netlink answer") }
        if ready < 0, errno != EINTR { throw lastSystemError("poll", "netlink") }
    }

    /// Hands the records of one datagram that waits to `body`. Returns its bytes, 0 when none
    /// waits. ENOBUFS says that news was lost: ask for a list.
    @discardableResult
    func readWaiting(_ body: (KernelRecord) -> Void) throws(SystemError) -> Int {
        let count = buffer.withUnsafeMutableBytes {
            recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        if count < 0 {
            if errno == EAGAIN || errno == EINTR { return 0 }
            throw lastSystemError("recv", "netlink")
        }
        _ = NetlinkReader.forEachMessage(in: buffer[..<count]) { message in
            if let record = KernelRecord(message) { body(record) }
        }
        return count
    }
}

/// What has just failed on this thread.
func lastSystemError(_ call: String, _ path: String = "") -> SystemError {
    SystemError(code: errno, call: call, path: path)
}
