import CZlib

/// CRC-32 (IEEE 802.3, as in zlib and PNG) over bytes.
func kirChecksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    guard let base = bytes.baseAddress else { return 0 }
    return UInt32(
        truncatingIfNeeded: crc32_z(0, base.assumingMemoryBound(to: UInt8.self), bytes.count))
}
