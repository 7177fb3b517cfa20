import CodingReference
import KapokDrive
import KapokStore

/// A stripe of random bytes that Kapok and ISA-L code in turns.
final class CodingComparisons {
    private let code: ErasureCode
    private let reference: OpaquePointer
    private let byteCount: Int
    private let memory: UnsafeMutableRawBufferPointer
    private let shards: [UnsafeMutableRawPointer]
    private var cShards: [UnsafeMutablePointer<UInt8>?]

    private var k: Int { code.dataShards }
    private var m: Int { code.parityShards }

    init(dataShards: Int, parityShards: Int, byteCount: Int) throws {
        code = try ErasureCode(dataShards: dataShards, parityShards: parityShards)
        guard
            let reference = coding_reference_create(Int32(dataShards), Int32(parityShards))
        else { fatalError("no reference for \(dataShards)+\(parityShards)") }
        self.reference = reference
        self.byteCount = byteCount
        memory = .allocate(byteCount: byteCount * code.shards, alignment: 4096)
        guard let base = memory.baseAddress else { fatalError("no memory") }
        var random = SystemRandomNumberGenerator()
        for i in 0..<byteCount * dataShards / 8 {
            base.storeBytes(of: random.next(), toByteOffset: i * 8, as: UInt64.self)
        }
        shards = (0..<code.shards).map { base + $0 * byteCount }
        cShards = shards.map { $0.assumingMemoryBound(to: UInt8.self) }
    }

    deinit {
        coding_reference_destroy(reference)
        memory.deallocate()
    }

    private func content(_ range: Range<Int>) -> [UInt8] {
        Array(memory[range.lowerBound * byteCount..<range.upperBound * byteCount])
    }

    /// Whether both compute the same parity and rebuild the same bytes.
    func agree() -> Bool {
        let data = content(0..<k)
        encode(1)
        let parity = content(k..<k + m)
        encodeByReference(1)
        guard content(k..<k + m) == parity else { return false }
        for rebuild in [rebuild, rebuildByReference] {
            for i in 0..<m * byteCount { memory[i] = 0 }
            rebuild(1)
            guard content(0..<k) == data else { return false }
        }
        return true
    }

    private func encode(_ times: Int) {
        let data = shards[..<k].map { UnsafeRawPointer($0) }
        let parity = Array(shards[k...])
        for _ in 0..<times { code.encode(data: data, parity: parity, byteCount: byteCount) }
    }

    private func encodeByReference(_ times: Int) {
        coding_reference_encode(reference, Int32(byteCount), &cShards, Int32(times))
    }

    private func rebuild(_ times: Int) {
        let lost: UInt32 = 1 << UInt32(m) - 1
        let all: UInt32 = 1 << UInt32(k + m) - 1
        for _ in 0..<times {
            code.reconstruct(
                shards: shards, present: all & ~lost, wanted: lost, byteCount: byteCount)
        }
    }

    private func rebuildByReference(_ times: Int) {
        coding_reference_rebuild(reference, Int32(byteCount), &cShards, Int32(times))
    }

    /// Rates count the bytes of data, not of parity.
    var comparisons: [Comparison] {
        let size = byteCount >> 10
        return [
            Comparison(
                name: "encode \(k)+\(m), \(size) KiB shards", byteCount: k * byteCount,
                kapok: encode, reference: encodeByReference),
            Comparison(
                name: "rebuild \(m) of \(k)+\(m), \(size) KiB shards", byteCount: k * byteCount,
                kapok: rebuild, reference: rebuildByReference),
        ]
    }
}

/// CRC-64/NVME beside ISA-L's CRC-64 of another polynomial, and memcpy.
final class ChecksumComparison {
    private let byteCount: Int
    private let bytes: UnsafeMutableRawBufferPointer
    private let other: UnsafeMutableRawBufferPointer
    /// Keeps the results wanted.
    private var sum: UInt64 = 0

    init(byteCount: Int) {
        self.byteCount = byteCount
        bytes = .allocate(byteCount: byteCount, alignment: 4096)
        other = .allocate(byteCount: byteCount, alignment: 4096)
        var random = SystemRandomNumberGenerator()
        for i in 0..<byteCount { bytes[i] = UInt8.random(in: 0...255, using: &random) }
    }

    deinit {
        bytes.deallocate()
        other.deallocate()
    }

    var comparison: Comparison {
        let size = byteCount < 1024 ? "\(byteCount) B" : "\(byteCount >> 10) KiB"
        return Comparison(
            name: "CRC-64, \(size)", byteCount: byteCount,
            kapok: { times in
                let input = UnsafeRawBufferPointer(self.bytes)
                var sum: UInt64 = 0
                for _ in 0..<times { sum ^= CRC64NVME.checksum(input, continuing: sum) }
                self.sum ^= sum
            },
            reference: { times in
                self.sum ^= coding_reference_crc64(
                    self.bytes.baseAddress, self.byteCount, Int32(times))
            },
            copy: { times in
                coding_reference_copy(
                    self.other.baseAddress, self.bytes.baseAddress, self.byteCount, Int32(times))
            })
    }
}
