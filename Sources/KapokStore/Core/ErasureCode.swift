import CISAL
import Synchronization

/// Why a coding cannot be built.
public enum ErasureCodeError: Error, Sendable, Equatable {
    /// K must be at least 1, M at least 0, and K + M at most `ErasureCode.maximumShards`.
    case unsupported(dataShards: Int, parityShards: Int)
}

/// Reed-Solomon coding of K data shards into M parity shards over GF(2^8), by ISA-L: any K of the
/// K + M shards give back the others.
///
/// The generator is the identity above a Cauchy matrix. Every square submatrix of a Cauchy matrix
/// has an inverse, so the promise holds for all K and M; ISA-L's Vandermonde generator keeps it
/// only for some. Shards are numbered with the data first. What one K + M writes, every later
/// version reads: the matrix is part of the format on the drives.
public final class ErasureCode: Sendable {
    /// The most shards, K + M.
    public static let maximumShards = 32

    /// K, the shards that hold the data as it is.
    public let dataShards: Int
    /// M, the shards that hold parity.
    public let parityShards: Int

    /// K + M.
    public var shards: Int { dataShards + parityShards }

    private let generator: [UInt8]
    private let encodeTables: [UInt8]
    private let decodeCache = Mutex(DecodeCache())

    /// A coding of `dataShards` + `parityShards`.
    public init(dataShards: Int, parityShards: Int) throws(ErasureCodeError) {
        guard dataShards >= 1, parityShards >= 0, dataShards <= Self.maximumShards,
            parityShards <= Self.maximumShards - dataShards
        else { throw .unsupported(dataShards: dataShards, parityShards: parityShards) }
        self.dataShards = dataShards
        self.parityShards = parityShards
        let rows = dataShards + parityShards
        var matrix = [UInt8](repeating: 0, count: rows * dataShards)
        gf_gen_cauchy1_matrix(&matrix, Int32(rows), Int32(dataShards))
        generator = matrix
        var parityRows = Array(matrix[(dataShards * dataShards)...])
        encodeTables = Self.tables(ofRows: &parityRows, count: parityShards, width: dataShards)
    }

    /// Fills `parity` (M pointers) from `data` (K pointers), `byteCount` bytes each. Pointers need
    /// no alignment; 64 bytes is fastest.
    public func encode(
        data: [UnsafeRawPointer], parity: [UnsafeMutableRawPointer], byteCount: Int
    ) {
        precondition(data.count == dataShards && parity.count == parityShards)
        guard parityShards > 0 else { return }
        withPointerRoom { pointers in
            for (i, shard) in data.enumerated() {
                pointers[i] = UnsafeMutableRawPointer(mutating: shard)
            }
            for (i, shard) in parity.enumerated() { pointers[dataShards + i] = shard }
            run(
                tables: encodeTables, outputs: parityShards, pointers: pointers,
                byteCount: byteCount)
        }
    }

    /// Rebuilds in place the shards whose bits are set in `wanted` from those whose bits are set in
    /// `present`; bit i stands for shard i. `shards` has K + M pointers to `byteCount` bytes each;
    /// only the wanted ones are written, and only K of the present ones are read.
    ///
    /// At least K shards must be present and none of the wanted among them.
    public func reconstruct(
        shards: [UnsafeMutableRawPointer], present: UInt32, wanted: UInt32, byteCount: Int
    ) {
        precondition(shards.count == self.shards)
        precondition(present & wanted == 0 && (present | wanted) & ~allShards == 0)
        precondition(present.nonzeroBitCount >= dataShards, "fewer shards than the coding needs")
        guard wanted != 0 else { return }
        let sources = Self.lowest(dataShards, of: present)
        let tables = decodeTables(sources: sources, wanted: wanted)
        withPointerRoom { pointers in
            var next = 0
            for mask in [sources, wanted] {
                for shard in 0..<shards.count where mask & (1 << UInt32(shard)) != 0 {
                    pointers[next] = shards[shard]
                    next += 1
                }
            }
            run(
                tables: tables, outputs: wanted.nonzeroBitCount, pointers: pointers,
                byteCount: byteCount)
        }
    }

    // MARK: Carrying out

    private var allShards: UInt32 { shards == 32 ? .max : (1 << UInt32(shards)) - 1 }

    /// Room on the stack for one pointer to each shard.
    private func withPointerRoom(
        _ body: (UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: shards) { room in
            room.initialize(repeating: nil)
            body(room)
        }
    }

    /// Computes `outputs` shards from K; `pointers` holds the K sources and then the outputs.
    private func run(
        tables: [UInt8], outputs: Int,
        pointers: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>,
        byteCount: Int
    ) {
        precondition(byteCount >= 0 && byteCount <= Int(Int32.max))
        guard byteCount > 0, let base = pointers.baseAddress else { return }
        base.withMemoryRebound(to: UnsafeMutablePointer<UInt8>?.self, capacity: pointers.count) {
            shards in
            tables.withUnsafeBufferPointer {
                // ISA-L reads the tables only; its signature lacks the const.
                let tables = UnsafeMutablePointer(mutating: $0.baseAddress)
                ec_encode_data(
                    Int32(byteCount), Int32(dataShards), Int32(outputs), tables, shards,
                    shards + dataShards)
            }
        }
    }

    // MARK: Decoding

    /// The tables that compute the `wanted` shards from `sources`, from the cache where possible.
    private func decodeTables(sources: UInt32, wanted: UInt32) -> [UInt8] {
        let key = UInt64(sources) << 32 | UInt64(wanted)
        if let known = decodeCache.withLock({ $0.tables(for: key) }) { return known }
        let made = makeDecodeTables(sources: sources, wanted: wanted)
        decodeCache.withLock { $0.insert(made, for: key) }
        return made
    }

    private func makeDecodeTables(sources: UInt32, wanted: UInt32) -> [UInt8] {
        let k = dataShards
        var survivors: [UInt8] = []
        survivors.reserveCapacity(k * k)
        for shard in 0..<shards where sources & (1 << UInt32(shard)) != 0 {
            survivors += generator[shard * k..<(shard + 1) * k]
        }
        var inverse = [UInt8](repeating: 0, count: k * k)
        let status = gf_invert_matrix(&survivors, &inverse, Int32(k))
        precondition(status == 0, "a Cauchy generator has no singular choice of rows")
        var rows: [UInt8] = []
        rows.reserveCapacity(wanted.nonzeroBitCount * k)
        for shard in 0..<shards where wanted & (1 << UInt32(shard)) != 0 {
            // The shard's row of the generator, expressed in the survivors. For a data shard that
            // row is a unit vector, and the product a row of the inverse.
            for column in 0..<k {
                var sum: UInt8 = 0
                for i in 0..<k { sum ^= gf_mul(generator[shard * k + i], inverse[i * k + column]) }
                rows.append(sum)
            }
        }
        return Self.tables(ofRows: &rows, count: wanted.nonzeroBitCount, width: k)
    }

    /// ISA-L's multiplication tables, 32 bytes for each coefficient.
    private static func tables(ofRows rows: inout [UInt8], count: Int, width: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        var tables = [UInt8](repeating: 0, count: 32 * count * width)
        ec_init_tables(Int32(width), Int32(count), &rows, &tables)
        return tables
    }

    /// The lowest `count` bits that are set in `mask`.
    private static func lowest(_ count: Int, of mask: UInt32) -> UInt32 {
        var rest = mask
        for _ in 0..<count { rest &= rest &- 1 }
        return mask & ~rest
    }
}

/// The decode tables used last. A failed drive needs a handful at a time, one for each role that it
/// plays in a stripe.
private struct DecodeCache {
    /// With at most 8 KiB of tables each.
    static let capacity = 64

    private var keys: [UInt64] = []
    private var values: [[UInt8]] = []
    private var oldest = 0

    func tables(for key: UInt64) -> [UInt8]? {
        keys.firstIndex(of: key).map { values[$0] }
    }

    mutating func insert(_ tables: [UInt8], for key: UInt64) {
        if keys.count < Self.capacity {
            keys.append(key)
            values.append(tables)
        } else {
            keys[oldest] = key
            values[oldest] = tables
            oldest = (oldest + 1) % Self.capacity
        }
    }
}
