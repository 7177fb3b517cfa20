import KapokDrive
import KapokWorld
import Synchronization

/// What a check of a whole store found.
public struct CheckReport: Codable, Sendable, Equatable {
    /// What one drive lacks.
    public struct Drive: Codable, Sendable, Equatable {
        /// 0 ..< number of drives.
        public var position: Int
        /// Shards that should be here and cannot be read, or were never written.
        public var missing: Int
        /// Shards that could be read and are wrong.
        public var corrupt: Int
        /// Why the drive is out of use; nil when it is not.
        public var failure: String?
    }

    /// The most affected keys that are named.
    public static let maximumAffectedKeys = 100

    /// Stripes that something live lies in.
    public var stripes: Int
    /// Shards of them, K + M each.
    public var shards: Int
    public var missingShards: Int
    public var corruptShards: Int
    /// Stripes with fewer than K intact shards: what lay in them is lost.
    public var lostStripes: Int
    /// All drives, in order of position.
    public var drives: [Drive]
    /// Keys of entries that need a lost stripe, printable: what is not printable ASCII stands as
    /// `\xNN`. At most `maximumAffectedKeys`.
    public var affectedKeys: [String]
    /// All such keys, the unnamed ones too.
    public var affectedKeyCount: Int

    /// Every shard is there and right, and every drive works.
    public var isHealthy: Bool {
        missingShards == 0 && corruptShards == 0 && lostStripes == 0
            && drives.allSatisfy { $0.failure == nil }
    }
}

extension StoreService {
    /// Reads and verifies all shards of every stripe that something live lies in. Repairs nothing.
    /// The store serves meanwhile; what is written after the check has begun may not be part of it.
    ///
    /// - Parameter progress: told the stripes done and in all; called on no particular thread.
    /// - Throws: `failed` when the index cannot be read or the surrounding task is cancelled.
    public func check(
        progress: @escaping @Sendable (_ done: Int, _ of: Int) -> Void
    ) async throws(StoreError) -> CheckReport {
        await onMaintenanceThread { self.probeAllDrives() }
        var findings = CheckFindings()
        // Compaction may empty an extent before it is read: what lay there has moved, and is looked
        // up again. Each round has fewer left than the one before; the bound is for form's sake.
        for _ in 0..<8 {
            let known = findings
            let wanted = try await withIndex { index throws(IndexError) in
                try LiveStripes(index: index, excluding: known)
            }
            guard wanted.count > 0 else { break }
            if try await read(wanted, into: &findings, progress) { break }
        }
        try await judgeDamage(&findings)
        let failures = state.withLock { $0.machine.drives.map(\.failure) }
        return findings.report(width: pool.width, driveFailures: failures)
    }

    /// A drive that was deleted is noticed at once, not at its next write.
    private func probeAllDrives() {
        for position in 0..<Int(pool.driveCount) {
            guard let drive = drive(UInt32(position)), drive.probe() != .ok else { continue }
            handle(.driveLost(position: UInt32(position)))
        }
    }

    /// Lends the index, with every commit in it that has returned, to `body` on a thread that may
    /// wait.
    private func withIndex<R: Sendable>(
        _ body: @escaping @Sendable (SQLiteIndex) throws(IndexError) -> R
    ) async throws(StoreError) -> R {
        try await drain()
        let result = await onMaintenanceThread { () -> Result<R, IndexError> in
            do throws(IndexError) { return .success(try body(self.index)) } catch {
                return .failure(error)
            }
        }
        do throws(IndexError) { return try result.get() } catch {
            throw .failed("the index: \(error)")
        }
    }

    /// Reads the stripes extent by extent; true when no extent was given back before its turn.
    private func read(
        _ wanted: LiveStripes, into findings: inout CheckFindings,
        _ progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws(StoreError) -> Bool {
        let total = findings.checkedCount + wanted.count
        var foundAll = true
        for (extent, stripes) in wanted.inOrder {
            if Task.isCancelled { throw .failed("the check was cancelled") }
            guard
                let members = state.withLock({ $0.machine.pinForReading([extent])?.first })
            else {
                foundAll = false
                continue
            }
            let before = findings.checkedCount
            let damage = await onMaintenanceThread {
                self.read(stripes, of: extent, members) { progress(before + $0, total) }
            }
            state.withLock { $0.machine.unpin([extent]) }
            findings.checked[extent, default: []].formUnion(stripes)
            findings.checkedCount += stripes.count
            for (stripe, damage) in damage {
                findings.damaged[StripePlace(extent: extent, span: stripe)] = damage
            }
        }
        return foundAll
    }

    /// Reads the stripes of one extent and returns what is wrong with those that are not intact.
    private func read(
        _ stripes: [StripeSpan], of extent: ExtentID, _ members: [ExtentMember],
        _ progress: (Int) -> Void
    ) -> [(StripeSpan, StripeDamage)] {
        let blocks = blocks
        var found: [(StripeSpan, StripeDamage)] = []
        for (number, stripe) in stripes.enumerated() {
            let damage = StripeDamage(
                of: StripeAddress(
                    pool: pool, extent: extent, members: members, block: stripe.block,
                    shardBlocks: stripe.shardBlocks),
                reader: blocks, code: code)
            if let damage { found.append((stripe, damage)) }
            if number % 16 == 15 || number == stripes.count - 1 { progress(number + 1) }
        }
        return found
    }

    /// Forgets damage to stripes that nothing lives in any more, and finds the keys that need the
    /// lost ones.
    private func judgeDamage(_ findings: inout CheckFindings) async throws(StoreError) {
        guard !findings.damaged.isEmpty else { return }
        let damaged = findings.damaged
        let live = try await withIndex { index throws(IndexError) in
            try LiveStripes(index: index, only: damaged)
        }
        for place in damaged.keys where !live.contains(place) { findings.forget(place) }
        let lost = Set(findings.damaged.filter { $0.value.isLost }.keys)
        guard !lost.isEmpty else { return }
        let affected = try await withIndex { index throws(IndexError) in
            try AffectedKeys(index: index, lost: lost)
        }
        findings.affectedKeys = affected.named
        findings.affectedKeyCount = affected.count
    }
}

// MARK: What is found

/// Where a stripe lies within its extent.
private struct StripeSpan: Hashable {
    var block: UInt32
    var shardBlocks: UInt32
}

/// Where a stripe lies.
private struct StripePlace: Hashable {
    var extent: ExtentID
    var span: StripeSpan

    init(extent: ExtentID, span: StripeSpan) {
        self.extent = extent
        self.span = span
    }

    init(_ location: RecordLocation) {
        extent = location.extent
        span = StripeSpan(block: location.block, shardBlocks: location.shardBlocks)
    }
}

/// The shards of a stripe that are not intact, as drives.
private struct StripeDamage {
    var missing: [UInt32] = []
    var corrupt: [UInt32] = []
    var isLost = false

    /// Reads the whole stripe; nil when all of it is intact.
    init?(of address: StripeAddress, reader: LocalBlocks, code: ErasureCode) {
        guard address.shardBlocks > 0, address.block > 0,
            UInt64(address.block) + UInt64(address.shardBlocks) <= UInt64(address.pool.slotBlocks)
        else {
            // The index speaks of blocks that no extent has: there is nothing to read.
            missing = address.members.map(\.drive)
            isLost = true
            return
        }
        let image = StripeImage(address: address)
        var read: UInt32 = 0
        for (shard, member) in address.members.enumerated() {
            let isRead = reader.read(
                drive: member.drive, lba: address.lba(ofShard: shard),
                blockCount: address.shardBlocks, into: image.buffer,
                bufferOffset: shard * address.shardBytes)
            if isRead { read |= 1 << UInt32(shard) }
        }
        // Before assembling, which rebuilds data shards in place.
        let unwritten = address.members.indices.filter { image.isUnwritten($0) }
        let assembly = image.assemble(read: read, with: code)
        let intact = assembly?.intact ?? image.intactShards(of: read)
        for (shard, member) in address.members.enumerated()
        where intact & (1 << UInt32(shard)) == 0 {
            if read & (1 << UInt32(shard)) == 0 || unwritten.contains(shard) {
                missing.append(member.drive)
            } else {
                corrupt.append(member.drive)
            }
        }
        isLost = assembly == nil
        if missing.isEmpty, corrupt.isEmpty, !isLost { return nil }
    }
}

extension StripeImage {
    /// Whether the shard's place holds zeros, as a drive has where nothing was ever written.
    fileprivate func isUnwritten(_ index: Int) -> Bool { shard(index).allSatisfy { $0 == 0 } }

    /// The shards of `read` that are intact by themselves, as bits.
    fileprivate func intactShards(of read: UInt32) -> UInt32 {
        (0..<address.width).reduce(into: UInt32(0)) { mask, index in
            let bit = UInt32(1) << UInt32(index)
            if read & bit != 0, address.verifiedHeader(ofShard: index, in: shard(index)) != nil {
                mask |= bit
            }
        }
    }
}

/// What a check knows so far.
private struct CheckFindings {
    var checked: [ExtentID: Set<StripeSpan>] = [:]
    var checkedCount = 0
    var damaged: [StripePlace: StripeDamage] = [:]
    var affectedKeys: [String] = []
    var affectedKeyCount = 0

    mutating func forget(_ place: StripePlace) {
        damaged[place] = nil
        checkedCount -= 1
    }

    func report(width: Int, driveFailures: [String?]) -> CheckReport {
        var drives = driveFailures.enumerated().map {
            CheckReport.Drive(position: $0, missing: 0, corrupt: 0, failure: $1)
        }
        for damage in damaged.values {
            for drive in damage.missing { drives[Int(drive)].missing += 1 }
            for drive in damage.corrupt { drives[Int(drive)].corrupt += 1 }
        }
        return CheckReport(
            stripes: checkedCount, shards: checkedCount * width,
            missingShards: drives.reduce(0) { $0 + $1.missing },
            corruptShards: drives.reduce(0) { $0 + $1.corrupt },
            lostStripes: damaged.values.count { $0.isLost }, drives: drives,
            affectedKeys: affectedKeys, affectedKeyCount: affectedKeyCount)
    }
}

// MARK: What the index says

extension SQLiteIndex {
    /// Hands all rows of one key space to `body`, a page at a time.
    fileprivate func forEachRow(
        _ prefix: UInt8, _ body: (_ key: [UInt8], _ value: [UInt8]) throws(IndexError) -> Void
    ) throws(IndexError) {
        let pageSize = 1000
        var from: [UInt8] = [prefix]
        while true {
            let rows = try range(from: from, to: [prefix + 1], limit: pageSize)
            for row in rows { try body(row.key, row.value) }
            guard rows.count == pageSize, let last = rows.last else { return }
            from = last.key + [0]
        }
    }

    /// Hands the place of everything that lives to `body`: entries, tombstones and chunks.
    fileprivate func forEachLocation(
        _ body: (RecordLocation) -> Void
    ) throws(IndexError) {
        for prefix in [IndexKey.entryPrefix, IndexKey.tombstonePrefix] {
            try forEachRow(prefix) { _, value throws(IndexError) in
                body(try EntryRow(decoding: value).location)
            }
        }
        try forEachRow(IndexKey.chunkPrefix) { _, value throws(IndexError) in
            body(try ChunkLocation(decoding: value).record)
        }
    }
}

/// The stripes that something lives in, by extent. Takes some ten bytes for each.
private struct LiveStripes {
    private var byExtent: [ExtentID: Set<StripeSpan>] = [:]
    private(set) var count = 0

    /// All but those that were checked before.
    init(index: SQLiteIndex, excluding findings: CheckFindings) throws(IndexError) {
        try index.forEachLocation { location in
            let place = StripePlace(location)
            guard findings.checked[place.extent]?.contains(place.span) != true else { return }
            insert(place)
        }
    }

    /// Those of `places` only.
    init(index: SQLiteIndex, only places: [StripePlace: StripeDamage]) throws(IndexError) {
        try index.forEachLocation { location in
            let place = StripePlace(location)
            if places[place] != nil { insert(place) }
        }
    }

    private mutating func insert(_ place: StripePlace) {
        if byExtent[place.extent, default: []].insert(place.span).inserted { count += 1 }
    }

    func contains(_ place: StripePlace) -> Bool {
        byExtent[place.extent]?.contains(place.span) == true
    }

    /// In the order in which they lie on the drives.
    var inOrder: [(ExtentID, [StripeSpan])] {
        byExtent.sorted { $0.key < $1.key }.map { extent, spans in
            (extent, spans.sorted { $0.block < $1.block })
        }
    }
}

/// The keys of entries that need one of the lost stripes, for themselves or for a chunk.
private struct AffectedKeys {
    private(set) var named: [String] = []
    private(set) var count = 0

    init(index: SQLiteIndex, lost: Set<StripePlace>) throws(IndexError) {
        var lostBlobs = Set<BlobID>()
        try index.forEachRow(IndexKey.chunkPrefix) { key, value throws(IndexError) in
            guard lost.contains(StripePlace(try ChunkLocation(decoding: value).record)),
                let chunk = IndexKey.chunkID(fromKey: key)
            else { return }
            lostBlobs.insert(chunk.blob)
        }
        try index.forEachRow(IndexKey.entryPrefix) { key, value throws(IndexError) in
            let row = try EntryRow(decoding: value)
            guard
                lost.contains(StripePlace(row.location))
                    || row.blobs.contains(where: { lostBlobs.contains($0.id) })
            else { return }
            count += 1
            if named.count < CheckReport.maximumAffectedKeys {
                named.append(Self.printable(key.dropFirst()))
            }
        }
    }

    private static func printable(_ key: some Sequence<UInt8>) -> String {
        key.reduce(into: "") { text, byte in
            if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\\") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16)
                text += "\\x" + (digits.count < 2 ? "0" : "") + digits
            }
        }
    }
}
