import KapokDrive
import KapokSimulation
import KapokStore
import KapokWorld

/// A client: one operation at a time, on a few keys that all clients share.
struct SimulatedClient {
    /// A blob in the making: what is left to append, and what is.
    struct Upload {
        var serial: UInt64
        var blob: BlobID
        var count: Int
        var sent = 0
        var chunks: [ChunkLocation] = []
    }

    /// What it is in the middle of.
    enum Phase {
        case idle
        /// Waits a moment between seeing an entry and reading its blobs; the extents are pinned.
        case reading(head: Int, [PinnedBlob])
        case uploading(head: Int, Intent, Upload, current: ChunkStripe)
        case committing(head: Int, Intent)
        case listing(head: Int, floors: [(key: [UInt8], floor: StoreOracle.Floor)])
    }

    /// A blob found and pinned.
    struct PinnedBlob {
        var serial: UInt64
        var reference: BlobReference
        var chunks: [(location: ChunkLocation, members: [ExtentMember])]
    }

    /// A write that was decided on.
    struct Intent {
        var writes: [(key: [UInt8], write: StoreOracle.Write, floor: StoreOracle.Floor)]
        var transactionWrites: [EntryWrite]
        var inline: [(id: BlobID, serial: UInt64, count: Int)] = []
        /// What conditional writes replace, in the order of `writes`.
        var expected: [UInt64]?
        var readPoint: ReadPoint?
        var chunked: [ChunkedBlob] = []
    }

    var random: RandomStream
    var operationsLeft: Int
    var phase = Phase.idle
    /// Of the request under way; replies to others are late.
    var serial: UInt64 = 0
    var isScheduled = false

    /// The head is gone: what was under way may or may not have happened.
    mutating func headDied() {
        phase = .idle
        serial &+= 1
    }
}

extension StoreScenario {
    func key(_ number: Int) -> [UInt8] { Array("key/\(number)".utf8) }

    /// Lets the client go on after a moment.
    mutating func rest(_ number: Int, _ agenda: inout Agenda<Event>) {
        clients[number].phase = .idle
        let pause = clients[number].random.below(400_000 as UInt64)
        agenda.schedule(.client(number), after: Interval(nanoseconds: 1_000 + pause))
    }

    mutating func stepClient(_ number: Int, _ agenda: inout Agenda<Event>) {
        switch clients[number].phase {
        case .reading(let head, let blobs): finishRead(number, head, blobs, &agenda)
        case .idle: beginOperation(number, &agenda)
        case .uploading, .committing, .listing: break
        }
    }

    private mutating func beginOperation(_ number: Int, _ agenda: inout Agenda<Event>) {
        guard clients[number].operationsLeft > 0 else { return }
        guard let head = activeHead else {
            agenda.schedule(.client(number), after: .milliseconds(1))
            return
        }
        clients[number].operationsLeft -= 1
        counts.operations += 1
        let choice = clients[number].random.below(100)
        let key = key(clients[number].random.below(parameters.keys))
        switch choice {
        case 0..<32: beginRead(number, head, key, &agenda)
        case 32..<40: beginListing(number, head, &agenda)
        case 40..<62: beginPut(number, head, key, isConditional: false, &agenda)
        case 62..<76: beginPut(number, head, key, isConditional: true, &agenda)
        case 76..<92: beginDelete(number, head, key, &agenda)
        default: beginJoin(number, head, &agenda)
        }
    }

    // MARK: Seeing entries

    private func machine(_ head: Int) -> StoreMachine? {
        if case .serving(let machine) = heads[head].phase { return machine }
        return nil
    }

    func entry(_ key: [UInt8], head: Int) -> Entry? {
        switch machine(head).map({ $0.overlay.lookup(key) }) {
        case .entry(let entry): return entry
        case .deleted: return nil
        case .unknown, nil: break
        }
        guard let bytes = try? index.get(IndexKey.entry(key)),
            let row = try? EntryRow(decoding: bytes)
        else { return nil }
        return row.entry
    }

    private func chunk(_ chunk: ChunkID, head: Int) -> ChunkLocation? {
        if let location = machine(head)?.overlay.chunk(chunk) { return location }
        guard let bytes = try? index.get(IndexKey.chunk(chunk)) else { return nil }
        return try? ChunkLocation(decoding: bytes)
    }

    /// Judges an entry that was seen, and tells whether that was in order.
    mutating func judge(
        _ key: [UInt8], _ entry: Entry?, _ floor: StoreOracle.Floor
    ) -> Bool {
        do {
            try oracle.observed(key, version: entry?.version, value: entry?.value, floor: floor)
            return true
        } catch {
            violation = error as? OracleViolation
            return false
        }
    }

    // MARK: Reading

    private mutating func beginRead(
        _ number: Int, _ head: Int, _ key: [UInt8], _ agenda: inout Agenda<Event>
    ) {
        counts.reads += 1
        let found = entry(key, head: head)
        guard judge(key, found, oracle.floor(key)), let found else {
            return rest(number, &agenda)
        }
        var blobs: [SimulatedClient.PinnedBlob] = []
        let described = BlobPattern.blobs(inValue: found.value)
        for (reference, description) in zip(found.blobs, described) {
            guard let chunks = pinnedChunks(of: reference, head) else {
                violation = OracleViolation(
                    description: "blob \(reference.id.number) of version \(found.version) of "
                        + "\(String(decoding: key, as: UTF8.self)) has no chunks")
                return
            }
            blobs.append(
                SimulatedClient.PinnedBlob(
                    serial: description.serial, reference: reference, chunks: chunks))
        }
        clients[number].phase = .reading(head: head, blobs)
        let pause = clients[number].random.below(3_000_000 as UInt64)
        agenda.schedule(.client(number), after: Interval(nanoseconds: pause))
    }

    private mutating func pinnedChunks(
        of blob: BlobReference, _ head: Int
    ) -> [(location: ChunkLocation, members: [ExtentMember])]? {
        var locations: [ChunkLocation] = []
        var offset: UInt64 = 0
        while offset < blob.length {
            let id = ChunkID(blob: blob.id, index: UInt32(locations.count))
            guard let location = chunk(id, head: head), location.blobOffset == offset else {
                return nil
            }
            locations.append(location)
            offset += UInt64(location.dataLength)
        }
        let extents = locations.map(\.record.extent)
        guard let pinned = withMachine(head, { $0.pinForReading(extents) }), let members = pinned
        else { return nil }
        return zip(locations, members).map { ($0, $1) }
    }

    private mutating func finishRead(
        _ number: Int, _ head: Int, _ blobs: [SimulatedClient.PinnedBlob],
        _ agenda: inout Agenda<Event>
    ) {
        for blob in blobs {
            for chunk in blob.chunks {
                verify(chunk.location, chunk.members, blob.reference.id, serial: blob.serial)
            }
            send(.abandon(blob.chunks.map(\.location.record.extent)), to: head, &agenda)
        }
        rest(number, &agenda)
    }

    /// Reads a chunk as a head does and compares every byte.
    mutating func verify(
        _ location: ChunkLocation, _ members: [ExtentMember], _ blob: BlobID, serial: UInt64
    ) {
        var reading = ChunkRead(
            location: location, blob: blob, members: members, pool: pool, code: code,
            range: 0..<Int(location.dataLength), defect: parameters.defect)
        while true {
            switch reading.next() {
            case .read(let reads):
                for (index, read) in reads.enumerated()
                where !drives.read(
                    drive: read.drive, lba: read.lba, blockCount: read.blockCount,
                    into: read.buffer, bufferOffset: read.bufferOffset)
                {
                    reading.readFailed(index)
                }
            case .done(let buffer, let ranges):
                var expected = [UInt8](repeating: 0, count: Int(location.dataLength))
                expected.withUnsafeMutableBytes {
                    BlobPattern.fill($0, serial: serial, from: location.blobOffset)
                }
                let found = ranges.flatMap { buffer.bytes[$0] }
                counts.bytesVerified += found.count
                if found != expected {
                    violation = OracleViolation(
                        description: "wrong bytes of blob \(blob.number) at \(location)")
                }
                return
            case .lost(let reason):
                violation = OracleViolation(
                    description: "blob \(blob.number) at \(location.blobOffset): \(reason)")
                return
            }
        }
    }

    // MARK: Listing

    private mutating func beginListing(
        _ number: Int, _ head: Int, _ agenda: inout Agenda<Event>
    ) {
        counts.listings += 1
        let floors = (0..<parameters.keys).map { number in
            let key = key(number)
            return (key: key, floor: oracle.floor(key))
        }
        clients[number].phase = .listing(head: head, floors: floors)
        clients[number].serial = takeSerial()
        request(.client(number, serial: clients[number].serial), to: head, &agenda) { .drain($0) }
    }

    mutating func finishListing(
        _ floors: [(key: [UInt8], floor: StoreOracle.Floor)]
    ) {
        let from = IndexKey.entry(Array("key/".utf8))
        let to = IndexKey.entry(Array("key0".utf8))
        guard let rows = try? index.range(from: from, to: to, limit: 1000) else { return }
        var listed: [[UInt8]: Entry] = [:]
        for row in rows {
            listed[Array(row.key.dropFirst())] = (try? EntryRow(decoding: row.value))?.entry
        }
        for (key, floor) in floors where !judge(key, listed[key], floor) { return }
    }

    mutating func takeSerial() -> UInt64 {
        defer { nextSerial += 1 }
        return nextSerial
    }
}
