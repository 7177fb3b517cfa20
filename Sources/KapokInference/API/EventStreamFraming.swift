import NIOCore

/// AWS' event stream encoding (smithy.io, "Amazon Event Stream Specification"): each message is its
/// total length, the length of its headers, the CRC-32 of these eight bytes, headers, payload, and
/// the CRC-32 of everything before. Numbers are big-endian.
enum EventStreamFraming {
    /// A message with headers of texts (type 7).
    static func message(headers: [(name: String, value: String)], payload: [UInt8]) -> ByteBuffer {
        var block: [UInt8] = []
        for header in headers {
            let name = Array(header.name.utf8.prefix(255))
            let value = Array(header.value.utf8.prefix(Int(UInt16.max)))
            block.append(UInt8(name.count))
            block += name
            block.append(7)
            block.append(UInt8(value.count >> 8))
            block.append(UInt8(value.count & 0xFF))
            block += value
        }
        let total = 12 + block.count + payload.count + 4
        var message = ByteBuffer()
        message.reserveCapacity(total)
        message.writeInteger(UInt32(total))
        message.writeInteger(UInt32(block.count))
        message.writeInteger(checksum(message.readableBytesView))
        message.writeBytes(block)
        message.writeBytes(payload)
        message.writeInteger(checksum(message.readableBytesView))
        return message
    }

    /// An event of a JSON payload.
    static func event(_ type: String, _ payload: [UInt8]) -> ByteBuffer {
        message(
            headers: [
                (":event-type", type), (":content-type", "application/json"),
                (":message-type", "event"),
            ], payload: payload)
    }

    /// An exception, after which nothing comes.
    static func exception(_ type: String, _ payload: [UInt8]) -> ByteBuffer {
        message(
            headers: [
                (":exception-type", type), (":content-type", "application/json"),
                (":message-type", "exception"),
            ], payload: payload)
    }

    /// CRC-32 (ISO 3309, the one of zlib) over a few hundred bytes.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes { crc = table[Int((crc ^ UInt32(byte)) & 0xFF)] ^ crc >> 8 }
        return crc ^ 0xFFFF_FFFF
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1
        }
    }
}
