import CNetlink
import Foundation

/// Asks every host of a lab for an echo from every other one (RFC 792).
enum LabReachability {
    /// Pairs of hosts, by destination, between which no answer came within `milliseconds`.
    static func silentPairs(
        of layout: LabLayout, milliseconds: Int = 400
    ) throws -> [(DestinationID, DestinationID)] {
        let sockets = try layout.destinations.map { destination in
            try LabNamespace(name: layout.namespace(ofHost: destination)).inside {
                let descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMP))
                guard descriptor >= 0 else {
                    throw LabFailure("no raw socket: \(String(cString: strerror(errno)))")
                }
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
                return descriptor
            }
        }
        defer { for descriptor in sockets { close(descriptor) } }
        let token = UInt16.random(in: 1...UInt16.max)
        var waiting: [Set<Int>] = []
        for (index, descriptor) in sockets.enumerated() {
            let targets = layout.destinations.filter { target in
                target.index != index
                    && layout.fabric.plane(of: layout.fabric.owner(of: target))
                        == layout.fabric.plane(
                            of: layout.fabric.owner(of: DestinationID(index)))
            }
            waiting.append(Set(targets.map(\.index)))
            for target in targets {
                send(
                    echo(token: token, number: UInt16(target.index)),
                    to:
                        layout.hostAddress(of: target), over: descriptor)
            }
        }
        let end = Date(timeIntervalSinceNow: Double(milliseconds) / 1000)
        var pollers = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while waiting.contains(where: { !$0.isEmpty }) && Date() < end {
            guard poll(&pollers, nfds_t(pollers.count), 20) > 0 else { continue }
            for (index, descriptor) in sockets.enumerated() {
                while let number = answer(token: token, from: descriptor) {
                    waiting[index].remove(number)
                }
            }
        }
        return waiting.enumerated().flatMap { index, targets in
            targets.sorted().map { (DestinationID(index), DestinationID($0)) }
        }
    }

    private static func echo(token: UInt16, number: UInt16) -> [UInt8] {
        var bytes: [UInt8] = [
            8, 0, 0, 0, UInt8(token >> 8), UInt8(token & 255), UInt8(number >> 8),
            UInt8(number & 255),
        ]
        var sum: UInt32 = 0
        for at in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[at]) << 8 | UInt32(bytes[at + 1])
        }
        sum = (sum & 0xffff) + sum >> 16
        bytes[2] = UInt8(~sum >> 8 & 255)
        bytes[3] = UInt8(~sum & 255)
        return bytes
    }

    private static func send(_ bytes: [UInt8], to address: UInt32, over descriptor: Int32) {
        var target = LabSocket.address(address, port: 0)
        // One that cannot be sent is one that is not answered.
        _ = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, bytes, bytes.count, 0, $0,
                    socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// The number of the next answer; nil when nothing is waiting. Other packets are skipped.
    private static func answer(token: UInt16, from descriptor: Int32) -> Int? {
        var buffer = [UInt8](repeating: 0, count: 256)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            let header = Int(buffer[0] & 15) * 4
            guard count >= header + 8, buffer[header] == 0,
                UInt16(buffer[header + 4]) << 8 | UInt16(buffer[header + 5]) == token
            else { continue }
            return Int(buffer[header + 6]) << 8 | Int(buffer[header + 7])
        }
    }
}

/// Internet sockets in the words of the C library.
enum LabSocket {
    /// An address and port.
    static func address(_ address: UInt32, port: UInt16) -> sockaddr_in {
        var result = sockaddr_in()
        result.sin_family = sa_family_t(AF_INET)
        result.sin_port = port.bigEndian
        result.sin_addr = in_addr(s_addr: address.bigEndian)
        return result
    }
}
