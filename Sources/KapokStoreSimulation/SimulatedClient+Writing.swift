import KapokDrive
import KapokSimulation
import KapokStore
import KapokWorld

extension StoreScenario {
    // MARK: Deciding

    mutating func beginPut(
        _ number: Int, _ head: Int, _ key: [UInt8], isConditional: Bool,
        _ agenda: inout Agenda<Event>
    ) {
        let floor = oracle.floor(key)
        let readPoint = readPoint(head)
        let seen = entry(key, head: head)
        guard judge(key, seen, floor) else { return }
        if isConditional, seen != nil, clients[number].random.chance(1, in: 2) {
            // If-None-Match, and there is one: refused without a commit.
            return rest(number, &agenda)
        }
        let serial = takeSerial()
        let isLarge = clients[number].random.chance(1, in: 4)
        let count = 1 + clients[number].random.below(isLarge ? 200_000 : 6_000)
        guard let blob = takeBlob(head) else { return rest(number, &agenda) }
        let value = BlobPattern.value([(serial, count)], operation: serial)
        var intent = SimulatedClient.Intent(
            writes: [(key, StoreOracle.Write(value: value, operation: serial), floor)],
            transactionWrites: [
                EntryWrite(
                    key: key, value: value, blobs: [BlobReference(id: blob, length: UInt64(count))])
            ])
        if isConditional {
            intent.readPoint = readPoint
            intent.expected = [seen?.version ?? 0]
        }
        if isLarge {
            upload(number, head, intent, .init(serial: serial, blob: blob, count: count), &agenda)
        } else {
            intent.inline = [(blob, serial, count)]
            commit(number, head, intent, &agenda)
        }
    }

    mutating func beginDelete(
        _ number: Int, _ head: Int, _ key: [UInt8], _ agenda: inout Agenda<Event>
    ) {
        let floor = oracle.floor(key)
        let readPoint = readPoint(head)
        let seen = entry(key, head: head)
        guard judge(key, seen, floor) else { return }
        guard let seen else { return rest(number, &agenda) }
        var intent = SimulatedClient.Intent(
            writes: [(key, StoreOracle.Write(value: nil, operation: takeSerial()), floor)],
            transactionWrites: [EntryWrite(key: key, value: nil, blobs: [])])
        if clients[number].random.chance(1, in: 2) {
            intent.readPoint = readPoint
            intent.expected = [seen.version]
        }
        commit(number, head, intent, &agenda)
    }

    /// Two entries become one that has the blobs of both, as completing a multipart upload does.
    mutating func beginJoin(_ number: Int, _ head: Int, _ agenda: inout Agenda<Event>) {
        var picks = Array(0..<parameters.keys)
        picks.shuffle(using: &clients[number].random)
        let keys = picks.prefix(3).map { key($0) }
        let readPoint = readPoint(head)
        let floors = keys.map { oracle.floor($0) }
        let seen = keys.map { entry($0, head: head) }
        for index in keys.indices where !judge(keys[index], seen[index], floors[index]) { return }
        guard keys.count == 3, let first = seen[0], let second = seen[1],
            first.blobs.count + second.blobs.count <= 8
        else { return rest(number, &agenda) }
        let serial = takeSerial()
        let blobs =
            BlobPattern.blobs(inValue: first.value) + BlobPattern.blobs(inValue: second.value)
        let value = BlobPattern.value(blobs, operation: serial)
        let deletion = StoreOracle.Write(value: nil, operation: serial)
        let intent = SimulatedClient.Intent(
            writes: [
                (keys[0], deletion, floors[0]), (keys[1], deletion, floors[1]),
                (keys[2], StoreOracle.Write(value: value, operation: serial), floors[2]),
            ],
            transactionWrites: [
                EntryWrite(key: keys[0], value: nil, blobs: []),
                EntryWrite(key: keys[1], value: nil, blobs: []),
                EntryWrite(key: keys[2], value: value, blobs: first.blobs + second.blobs),
            ],
            expected: seen.map { $0?.version ?? 0 }, readPoint: readPoint)
        commit(number, head, intent, &agenda)
    }

    private func readPoint(_ head: Int) -> ReadPoint? {
        guard case .serving(let machine) = heads[head].phase else { return nil }
        return ReadPoint(version: machine.publishedVersion)
    }

    private mutating func takeBlob(_ head: Int) -> BlobID? {
        withMachine(head) { BlobID($0.takeNumber()) }
    }

    /// Lends a serving head's machine.
    mutating func withMachine<R>(_ head: Int, _ body: (inout StoreMachine) -> R) -> R? {
        guard case .serving(var machine) = heads[head].phase else { return nil }
        heads[head].phase = .dead
        defer { heads[head].phase = .serving(machine) }
        return body(&machine)
    }

    // MARK: Uploading

    private mutating func upload(
        _ number: Int, _ head: Int, _ intent: SimulatedClient.Intent,
        _ upload: SimulatedClient.Upload, _ agenda: inout Agenda<Event>
    ) {
        guard case .serving(let machine) = heads[head].phase else { return rest(number, &agenda) }
        let count = min(upload.count - upload.sent, ChunkStripe.capacity(in: pool))
        let stripe = ChunkStripe(
            chunk: ChunkID(blob: upload.blob, index: UInt32(upload.chunks.count)),
            blobOffset: UInt64(upload.sent), byteCount: count, pool: pool)
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes {
            BlobPattern.fill($0, serial: upload.serial, from: UInt64(upload.sent))
            stripe.buffer.append(UnsafeRawBufferPointer($0))
        }
        stripe.seal(epoch: machine.epoch, code: code)
        clients[number].phase = .uploading(head: head, intent, upload, current: stripe)
        clients[number].serial = takeSerial()
        let waiter = Waiter.client(number, serial: clients[number].serial)
        request(waiter, to: head, &agenda) {
            .append($0, stripe.buffer, blob: upload.blob, moves: false)
        }
    }

    private mutating func commit(
        _ number: Int, _ head: Int, _ intent: SimulatedClient.Intent,
        _ agenda: inout Agenda<Event>
    ) {
        var body = TransactionBody(writes: intent.transactionWrites, chunked: intent.chunked)
        var pieces: [AlignedPiece] = []
        for blob in intent.inline {
            let buffer = AlignedBuffer(byteCount: blob.count)
            BlobPattern.fill(
                UnsafeMutableRawBufferPointer(rebasing: buffer.mutableBytes[0..<blob.count]),
                serial: blob.serial, from: 0)
            body.inline.append(InlineBlob(id: blob.id, offset: 0, length: UInt32(blob.count)))
            pieces.append(AlignedPiece(buffer: buffer, count: blob.count))
        }
        let request = CommitRequest(
            readPoint: intent.readPoint,
            checkedKeys: intent.readPoint == nil ? [] : intent.writes.map { StoreKey($0.key) },
            body: body,
            record: PreparedRecord(kind: .transaction, body: body.encoded(), data: pieces),
            stagedExtents: intent.chunked.flatMap { $0.chunks.map(\.record.extent) },
            frees: intent.transactionWrites.allSatisfy { $0.value == nil })
        for write in intent.writes { oracle.sent(write.key, write.write) }
        clients[number].phase = .committing(head: head, intent)
        clients[number].serial = takeSerial()
        let waiter = Waiter.client(number, serial: clients[number].serial)
        self.request(waiter, to: head, &agenda) { .commit($0, request) }
    }

    // MARK: Replies

    mutating func clientReply(
        _ number: Int, _ serial: UInt64, _ reply: StoreReply, _ head: Int,
        _ agenda: inout Agenda<Event>
    ) {
        guard clients[number].serial == serial else { return }
        switch clients[number].phase {
        case .uploading(let head, var intent, var upload, let stripe):
            guard case .appended(let record) = reply else {
                counts.refused += 1
                send(.abandon(upload.chunks.map(\.record.extent)), to: head, &agenda)
                return rest(number, &agenda)
            }
            upload.chunks.append(stripe.location(at: record))
            upload.sent += stripe.count
            if upload.sent < upload.count {
                self.upload(number, head, intent, upload, &agenda)
            } else {
                intent.chunked = [ChunkedBlob(id: upload.blob, chunks: upload.chunks)]
                commit(number, head, intent, &agenda)
            }
        case .committing(_, let intent):
            settle(intent, reply)
            rest(number, &agenda)
        case .listing(_, let floors):
            if case .done = reply { finishListing(floors) }
            rest(number, &agenda)
        case .idle, .reading: break
        }
    }

    private mutating func settle(_ intent: SimulatedClient.Intent, _ reply: StoreReply) {
        switch reply {
        case .committed(let version):
            counts.acknowledged += 1
            do {
                for (index, write) in intent.writes.enumerated() {
                    try oracle.acknowledged(
                        write.key, write.write, version: version, floor: write.floor,
                        expected: intent.expected?[index])
                }
            } catch { violation = error as? OracleViolation }
        case .conflict:
            counts.conflicts += 1
            for write in intent.writes {
                oracle.refused(write.key, operation: write.write.operation)
            }
        default: counts.refused += 1
        }
    }
}
