import KapokStore
import KapokWorld

/// The bytes of simulated blobs: each tells which operation wrote it and where in the blob it lies.
enum BlobPattern {
    /// Fills `buffer` with the bytes of blob `serial` from `offset`, a multiple of 8.
    static func fill(_ buffer: UnsafeMutableRawBufferPointer, serial: UInt64, from offset: UInt64) {
        var position = 0
        while position < buffer.count {
            let word =
                (serial &* 0x9E37_79B9_7F4A_7C15)
                ^ ((offset + UInt64(position)) &* 0xD6E8_FEB8_6659_FD93)
            withUnsafeBytes(of: word.littleEndian) { bytes in
                for index in 0..<min(8, buffer.count - position) {
                    buffer[position + index] = bytes[index]
                }
            }
            position += 8
        }
    }

    static func bytes(serial: UInt64, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { fill($0, serial: serial, from: 0) }
        return bytes
    }

    /// An entry's value says which blobs it has.
    static func value(_ blobs: [(serial: UInt64, count: Int)], operation: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.uint64(operation)
        for blob in blobs {
            writer.uint64(blob.serial)
            writer.uint32(UInt32(blob.count))
        }
        return writer.bytes
    }

    static func blobs(inValue value: [UInt8]) -> [(serial: UInt64, count: Int)] {
        var reader = ByteReader(value)
        var blobs: [(serial: UInt64, count: Int)] = []
        _ = try? reader.uint64()
        while let serial = try? reader.uint64(), let count = try? reader.uint32() {
            blobs.append((serial, Int(count)))
        }
        return blobs
    }
}
