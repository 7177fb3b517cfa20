import KapokSimulation
import KapokWorld

/// A pattern of bytes that no other number gives, for each sector of `blocks` blocks: torn and
/// misplaced sectors can be told apart.
func pattern(_ number: UInt64, blocks: Int = 1) -> [UInt8] {
    var bytes = zeroes(blocks)
    bytes.withUnsafeMutableBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: simulatedSectorSize) {
            var random = RandomStream(seed: number).split(UInt64(start / simulatedSectorSize))
            for offset in stride(from: start, to: start + simulatedSectorSize, by: 8) {
                let word = random.next().littleEndian
                bytes.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
            }
        }
    }
    return bytes
}

/// `blocks` blocks of zeroes.
func zeroes(_ blocks: Int = 1) -> [UInt8] {
    [UInt8](repeating: 0, count: blocks * simulatedBlockSize)
}

/// The sectors of `bytes`, one after the other.
func sectors(_ bytes: [UInt8]) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: simulatedSectorSize).map {
        Array(bytes[$0..<$0 + simulatedSectorSize])
    }
}

extension SimulatedDisk {
    /// A small honest disk.
    static func honest(seed: UInt64 = 1, blockCount: UInt64 = 1_000) -> SimulatedDisk {
        SimulatedDisk(blockCount: blockCount, random: RandomStream(seed: seed))
    }

    /// Reads `blocks` blocks into bytes of their own.
    mutating func contents(_ lba: UInt64, blocks: Int = 1) -> (outcome: DiskOutcome, bytes: [UInt8])
    {
        var bytes = [UInt8](repeating: 0x55, count: blocks * simulatedBlockSize)
        let outcome = bytes.withUnsafeMutableBytes { read(lba: lba, blockCount: blocks, into: $0) }
        return (outcome, bytes)
    }

    /// Writes whole blocks.
    @discardableResult
    mutating func put(_ lba: UInt64, _ bytes: [UInt8], forceUnitAccess: Bool = false) -> DiskOutcome
    {
        bytes.withUnsafeBytes {
            write(
                lba: lba, blockCount: bytes.count / simulatedBlockSize, from: $0,
                forceUnitAccess: forceUnitAccess)
        }
    }
}
