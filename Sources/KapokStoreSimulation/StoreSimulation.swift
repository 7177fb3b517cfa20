import KapokDrive
import KapokSimulation
public import KapokStore
import KapokWorld

/// How one seed went.
public struct StoreSimulationResult: Sendable {
    /// What was run.
    public var seed: UInt64
    /// Equal for equal seeds, in debug and release, on any machine.
    public var traceHash: UInt64
    public var steps: UInt64
    public var counts: StoreSimulationCounts
    /// What the oracle found; nil when all was well.
    public var violation: String?
    /// The shape of the run, for a person.
    public var summary: String
}

/// Runs a store through a seed's faults and judges it: clients work while heads die, drives lie and
/// power fails; then everything is brought back and every key is read, once more with as many
/// drives lost as the coding covers, and once more through an index rebuilt from the drives alone.
public struct StoreSimulation {
    /// The events a run may take: a bound against livelocks, far above what any seed needs.
    static let stepLimit: UInt64 = 3_000_000

    /// Runs `seed`, with a deliberate mistake if one is given.
    public static func run(
        seed: UInt64, defect: StoreDefect? = nil
    ) throws -> StoreSimulationResult {
        let parameters = StoreSimulationParameters(seed: seed, defect: defect)
        var simulation = Simulation(
            try StoreScenario(parameters: parameters), stepLimit: stepLimit)
        simulation.agenda.schedule(.headStart, after: .microseconds(1))
        simulation.agenda.schedule(.compaction, after: .milliseconds(3))
        for client in 0..<parameters.clients {
            simulation.agenda.schedule(.client(client), after: .microseconds(UInt64(client) + 1))
        }
        for (fault, at) in parameters.faults {
            simulation.agenda.schedule(.fault(fault), after: at)
        }
        var end = simulation.run(until: Instant(nanoseconds: 80_000_000))
        if end != .stepLimit, simulation.world.violation == nil {
            simulation.world.isHealing = true
            simulation.world.heal(&simulation.agenda)
            end = simulation.run(until: simulation.agenda.now + .seconds(30))
            if end != .stepLimit { simulation.world.judgeEverything() }
        }
        var violation = simulation.world.violation?.description
        if end == .stepLimit, violation == nil { violation = "the run does not end" }
        return StoreSimulationResult(
            seed: seed, traceHash: simulation.traceHash, steps: simulation.steps,
            counts: simulation.world.counts, violation: violation,
            summary: "\(parameters.pool.dataShards)+\(parameters.pool.parityShards) over "
                + "\(parameters.pool.driveCount), bad \(parameters.badDrives), "
                + "faults \(parameters.faults.map { "\($0.0)" })")
    }
}

extension StoreScenario {
    /// No new faults; the power fails once more, and a last head takes over.
    mutating func heal(_ agenda: inout Agenda<Event>) {
        for position in drives.drives.indices {
            drives.drives[position].disk.faults = .none
            drives.drives[position].disk.isPresent = true
        }
        for number in clients.indices { clients[number].operationsLeft = 0 }
        powerFailure(&agenda)
        for position in parameters.badDrives { drives.drives[position].restart() }
        agenda.schedule(.headStart, after: .milliseconds(1))
    }

    /// Reads everything in every way there is.
    mutating func judgeEverything() {
        guard violation == nil else { return }
        guard let head = activeHead else {
            violation = OracleViolation(description: "no head serves after the faults have ended")
            return
        }
        do {
            try oracle.checkSuccessions()
            try checkIndex()
            let state = try readAll(from: index, head: head)
            loseDrives()
            for blob in state.blobs { try readBlob(blob, from: index, head: head) }
            guard violation == nil else { return }
            try judgeRebuild(state)
        } catch {
            violation = error as? OracleViolation ?? OracleViolation(description: "\(error)")
        }
    }

    /// The index must add up: no chunk without an entry that wants it, and in every extent as many
    /// living things as its row says.
    private func checkIndex() throws {
        func rows(_ prefix: UInt8) throws -> [(key: [UInt8], value: [UInt8])] {
            try index.range(from: [prefix], to: [prefix + 1], limit: .max)
        }
        var live: [ExtentID: UInt64] = [:]
        var wanted = Set<BlobID>()
        for row in try rows(IndexKey.entryPrefix) {
            let entry = try EntryRow(decoding: row.value)
            live[entry.location.extent, default: 0] += 1
            for blob in entry.blobs { wanted.insert(blob.id) }
        }
        for row in try rows(IndexKey.tombstonePrefix) {
            live[try EntryRow(decoding: row.value).location.extent, default: 0] += 1
        }
        for row in try rows(IndexKey.chunkPrefix) {
            guard let chunk = IndexKey.chunkID(fromKey: row.key), wanted.contains(chunk.blob) else {
                throw OracleViolation(description: "a chunk that no entry wants is in the index")
            }
            live[try ChunkLocation(decoding: row.value).record.extent, default: 0] += 1
        }
        for row in try rows(IndexKey.extentPrefix) {
            let extent = try ExtentRow(decoding: row.value)
            let id = IndexKey.extentID(fromKey: row.key) ?? ExtentID(0)
            guard extent.liveItems == live[id, default: 0] else {
                throw OracleViolation(
                    description: "extent \(id.number) has \(live[id, default: 0]) living things, "
                        + "its row says \(extent.liveItems)")
            }
            live[id] = nil
        }
        guard live.isEmpty else {
            throw OracleViolation(description: "something lives in an extent that is gone")
        }
    }

    /// What the keys hold in the end.
    struct FinalState {
        var entries: [[UInt8]: Entry] = [:]
        var blobs: [(serial: UInt64, reference: BlobReference)] = []
    }

    private mutating func readAll(from index: MemoryIndex, head: Int) throws -> FinalState {
        var state = FinalState()
        for number in 0..<parameters.keys {
            let key = key(number)
            let found = entry(key, head: head)
            guard judge(key, found, oracle.floor(key)) else { break }
            guard let found else { continue }
            state.entries[key] = found
            for (reference, description) in zip(
                found.blobs, BlobPattern.blobs(inValue: found.value))
            {
                state.blobs.append((description.serial, reference))
                try readBlob((description.serial, reference), from: index, head: head)
            }
        }
        return state
    }

    /// Reads a blob through an index and compares it.
    private mutating func readBlob(
        _ blob: (serial: UInt64, reference: BlobReference), from index: MemoryIndex, head: Int?
    ) throws {
        guard violation == nil else { return }
        var offset: UInt64 = 0
        var number: UInt32 = 0
        while offset < blob.reference.length {
            let id = ChunkID(blob: blob.reference.id, index: number)
            var location: ChunkLocation?
            if let head, case .serving(let machine) = heads[head].phase {
                location = machine.overlay.chunk(id)
            }
            if location == nil, let bytes = try index.get(IndexKey.chunk(id)) {
                location = try ChunkLocation(decoding: bytes)
            }
            guard let location, location.blobOffset == offset,
                let row = try index.get(IndexKey.extent(location.record.extent))
            else {
                throw OracleViolation(
                    description: "chunk \(number) of blob \(blob.reference.id.number) is lost")
            }
            verify(
                location, try ExtentRow(decoding: row).members, blob.reference.id,
                serial: blob.serial)
            guard violation == nil else { return }
            offset += UInt64(location.dataLength)
            number += 1
        }
    }

    /// Loses as many drives as the coding covers, the bad ones first.
    private mutating func loseDrives() {
        var order = parameters.badDrives
        var others = drives.drives.indices.filter { !order.contains($0) }
        others.shuffle(using: &random)
        order += others
        for position in order.prefix(Int(pool.parityShards)) {
            drives.drives[position].disk.wipe()
        }
    }

    /// The drives alone must tell the same as the index did.
    private mutating func judgeRebuild(_ state: FinalState) throws {
        let rebuilt = MemoryIndex()
        let report = try IndexRebuild(index: rebuilt, reader: drives, pool: pool).run()
        counts.rebuiltEntries = report.entries
        for number in 0..<parameters.keys {
            let key = key(number)
            let found = try rebuilt.get(IndexKey.entry(key)).map { bytes throws(IndexError) in
                try EntryRow(decoding: bytes).entry
            }
            if let found {
                for (reference, description) in zip(
                    found.blobs, BlobPattern.blobs(inValue: found.value))
                {
                    try readBlob((description.serial, reference), from: rebuilt, head: nil)
                }
            }
            // It need not be equal: a write that was refused when a drive failed under it may have
            // survived there.
            guard judge(key, found, oracle.floor(key)) else { return }
        }
    }
}
