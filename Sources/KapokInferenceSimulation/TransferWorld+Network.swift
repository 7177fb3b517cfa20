import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

extension TransferWorld {
    private mutating func delay() -> Interval {
        let slow = isStorm && random.chance(1, in: 40)
        return .microseconds(20 + random.below(slow ? 900_000 : 3000 as UInt64))
    }

    private mutating func isDuplicated() -> Bool {
        guard isStorm, random.chance(duplication, in: 1000) else { return false }
        counts.duplicates += 1
        return true
    }

    // MARK: Sending

    mutating func send(
        _ request: TransferRequest, on id: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        guard connections[id].isOpenAtDecode, !connections[id].isBlackHole else { return }
        let at = max(agenda.now + delay(), connections[id].lastToHost)
        connections[id].lastToHost = at
        agenda.schedule(.toHost(id, request), at: at)
        if isDuplicated() { agenda.schedule(.toHost(id, request), at: at) }
    }

    mutating func send(
        _ reply: TransferReply, on id: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        guard connections[id].isOpenAtHost, !connections[id].isBlackHole else { return }
        let at = max(agenda.now + delay(), connections[id].lastToDecode)
        connections[id].lastToDecode = at
        agenda.schedule(.toDecode(id, reply), at: at)
        if isDuplicated() { agenda.schedule(.toDecode(id, reply), at: at) }
    }

    /// A page is handed to the kernel: its code is made now, its bytes are read a little later.
    mutating func leave(
        _ send: PageSend, on id: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        let host = connections[id].host
        guard connections[id].isOpenAtHost else { return }
        guard hosts[host].holds(send.job, send.memory) || defect == .serveOtherTransfer else {
            self.send(.ended(send.header.transfer, .failed), on: id, &agenda)
            return lease(host, .pageSent(job: send.job), &agenda)
        }
        hosts[host].sends[send.job, default: 0] += 1
        hosts[host].owner[send.job] = id
        if isStorm, random.chance(stalling, in: 1000) { connections[id].isStalled = true }
        let code = PageContent.code(hosts[host].contents[Int(send.memory)], connection: id)
        agenda.schedule(
            .pageLeaves(id, send, code: code.low),
            after: .microseconds(50 + random.below(2000 as UInt64)))
    }

    // MARK: Arriving

    mutating func handleNetwork(
        _ event: TransferWorldEvent, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        switch event {
        case .made(let id): made(id, &agenda)
        case .refused(let id):
            connections[id].isOpenAtDecode = true
            closedAtDecode(id, &agenda)
        case .toHost(let id, let request):
            guard connections[id].isOpenAtHost, !connections[id].isBlackHole else { return }
            lease(
                connections[id].host,
                .message(TransferConnectionID(UInt64(id)), coded(request)), &agenda)
        case .toDecode(let id, let reply):
            guard isLiveAtDecode(id) else { return }
            pull(
                connections[id].decode, .message(host: connections[id].host, coded(reply)),
                &agenda)
        case .pageLeaves(let id, let send, let code): pageLeaves(id, send, code, &agenda)
        case .pageBegins(let id, let header):
            guard isLiveAtDecode(id) else { return }
            let connection = connections[id]
            let place = decodes[connection.decode].machine.destination(
                host: connection.host, header)
            connections[id].place = place
            connections[id].arriving = header.transfer
            write(PageContent.undefined, on: id)
        case .pageEnds(let id, let header, let content):
            guard isLiveAtDecode(id) else { return }
            let wasWanted = connections[id].place != nil
            write(content, on: id)
            connections[id].place = nil
            connections[id].arriving = nil
            guard wasWanted, violation == nil else { return }
            pull(
                connections[id].decode,
                .page(
                    host: connections[id].host, header,
                    computed: PageContent.code(content, connection: id)), &agenda)
        case .closedAtHost(let id): closedAtHost(id, &agenda)
        case .closedAtDecode(let id): closedAtDecode(id, &agenda)
        default: preconditionFailure("no event of the network")
        }
    }

    /// Through bytes and back, as on the wire.
    private mutating func coded(_ request: TransferRequest) -> TransferRequest {
        let read = try? TransferRequest(decoding: request.encoded[...])
        if read != request { report("a request is not read as it was written") }
        return request
    }

    private mutating func coded(_ reply: TransferReply) -> TransferReply {
        let read = try? TransferReply(decoding: reply.encoded[...])
        if read != reply { report("a reply is not read as it was written") }
        return reply
    }

    private mutating func write(_ content: UInt64, on id: Int) {
        guard let place = connections[id].place else { return }
        let what = decodes[connections[id].decode].write(
            content, to: place.page, of: place.request)
        if let what { report(what) }
    }

    private mutating func pageLeaves(
        _ id: Int, _ send: PageSend, _ code: UInt64, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        let host = connections[id].host
        guard connections[id].isOpenAtHost else { return }
        if connections[id].isStalled || connections[id].isBlackHole {
            // The peer's window is shut: tried again until somebody closes the connection.
            agenda.schedule(.pageLeaves(id, send, code: code), after: .milliseconds(500))
            return
        }
        var content = hosts[host].contents[Int(send.memory)]
        hosts[host].sends[send.job, default: 0] -= 1
        if isStorm, random.chance(corruption, in: 1000) {
            content ^= 1 << random.below(64 as UInt64)
            counts.corrupted += 1
        }
        var header = send.header
        header.digest = TransferDigest(low: code, high: UInt64(id))
        let start = max(agenda.now + delay(), connections[id].lastToDecode)
        let copies = isDuplicated() ? 2 : 1
        var at = start
        for _ in 0..<copies {
            agenda.schedule(.pageBegins(id, header), at: at)
            at = at + .microseconds(1 + random.below(3000 as UInt64))
            agenda.schedule(.pageEnds(id, header, content: content), at: at)
        }
        connections[id].lastToDecode = at
        lease(host, .pageSent(job: send.job), &agenda)
    }

    private func isLiveAtDecode(_ id: Int) -> Bool {
        let connection = connections[id]
        return connection.isOpenAtDecode && !connection.isBlackHole
            && decodes[connection.decode].generation == connection.decodeGeneration
            && decodes[connection.decode].connection[connection.host] == id
    }

    // MARK: Connections

    mutating func connect(
        _ decode: Int, _ host: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        let id = connections.count
        connections.append(
            SimulatedConnection(
                decode: decode, decodeGeneration: decodes[decode].generation, host: host,
                hostGeneration: hosts[host].generation))
        decodes[decode].connection[host] = id
        // Some attempts are lost without a word.
        if isStorm, random.chance(1, in: 20) { return }
        let wait = delay()
        agenda.schedule(hosts[host].isUp ? .made(id) : .refused(id), after: wait)
    }

    private mutating func made(_ id: Int, _ agenda: inout Agenda<TransferWorldEvent>) {
        let connection = connections[id]
        guard connection.isOpenAtDecode, isLiveAtDecode(id) else { return }
        guard hosts[connection.host].isUp,
            hosts[connection.host].generation == connection.hostGeneration
        else { return closedAtDecode(id, &agenda) }
        connections[id].isOpenAtHost = true
        lease(connection.host, .opened(TransferConnectionID(UInt64(id))), &agenda)
        pull(
            connection.decode,
            .connected(
                host: connection.host, incarnation: hosts[connection.host].incarnation), &agenda)
    }

    /// The decode role closes a connection; the other end hears of it unless the network is gone.
    mutating func closeAtDecode(
        _ decode: Int, _ host: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        guard let id = decodes[decode].connection.removeValue(forKey: host) else { return }
        connections[id].isOpenAtDecode = false
        guard !connections[id].isBlackHole else { return }
        agenda.schedule(.closedAtHost(id), after: delay())
    }

    /// The prefill role closes a connection.
    mutating func closeAtHostByCore(_ id: Int, _ agenda: inout Agenda<TransferWorldEvent>) {
        guard !connections[id].isBlackHole else { return }
        agenda.schedule(.closedAtDecode(id), after: delay())
    }

    private mutating func closedAtHost(
        _ id: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        let connection = connections[id]
        guard connection.isOpenAtHost else { return }
        connections[id].isOpenAtHost = false
        guard hosts[connection.host].generation == connection.hostGeneration else { return }
        // Nothing is sent any more from any page.
        for (job, _) in hosts[connection.host].sends
        where hosts[connection.host].owner[job] == id {
            hosts[connection.host].sends[job] = 0
        }
        lease(connection.host, .closed(TransferConnectionID(UInt64(id))), &agenda)
    }

    private mutating func closedAtDecode(
        _ id: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        guard isLiveAtDecode(id) else { return }
        let connection = connections[id]
        connections[id].isOpenAtDecode = false
        decodes[connection.decode].connection[connection.host] = nil
        pull(connection.decode, .disconnected(host: connection.host, "closed"), &agenda)
    }

    // MARK: Faults

    mutating func handleFault(
        _ event: TransferWorldEvent, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        if case .restartHost(let host) = event { return restart(host, &agenda) }
        guard isStorm else { return }
        switch event {
        case .cut:
            if let id = pickConnection() {
                counts.cuts += 1
                agenda.schedule(.closedAtHost(id), after: delay())
                agenda.schedule(.closedAtDecode(id), after: delay())
            }
            agenda.schedule(.cut, after: .milliseconds(100 + random.below(8000 as UInt64)))
        case .blackHole:
            if let id = pickConnection() {
                counts.blackHoles += 1
                connections[id].isBlackHole = true
            }
            agenda.schedule(
                .blackHole, after: .milliseconds(5000 + random.below(30_000 as UInt64)))
        case .crashHost(let host): crash(host, &agenda)
        case .crashDecode(let decode):
            counts.crashes += 1
            for id in decodes[decode].connection.values.sorted() where !connections[id].isBlackHole
            {
                agenda.schedule(.closedAtHost(id), after: delay())
            }
            let generation = decodes[decode].generation + 1
            decodes[decode] = SimulatedDecode(
                index: decode, generation: generation, defect: defect)
            pull(decode, .start, &agenda)
        default: preconditionFailure("no fault")
        }
    }

    private mutating func pickConnection() -> Int? {
        let live = connections.indices.filter { isLiveAtDecode($0) && connections[$0].isOpenAtHost }
        return live.isEmpty ? nil : live[random.below(live.count)]
    }

    private mutating func crash(_ host: Int, _ agenda: inout Agenda<TransferWorldEvent>) {
        guard hosts[host].isUp else { return }
        counts.crashes += 1
        let isSilent = random.chance(1, in: 3)
        for id in connections.indices where connections[id].host == host {
            guard connections[id].isOpenAtHost else { continue }
            connections[id].isOpenAtHost = false
            if isSilent {
                // The whole machine is gone: nobody says so.
                connections[id].isBlackHole = true
            } else {
                agenda.schedule(.closedAtDecode(id), after: delay())
            }
        }
        let generation = hosts[host].generation + 1
        hosts[host] = SimulatedPrefill(generation: generation, defect: defect)
        hosts[host].isUp = false
        agenda.schedule(
            .restartHost(host), after: .milliseconds(50 + random.below(9000 as UInt64)))
    }

    private mutating func restart(_ host: Int, _ agenda: inout Agenda<TransferWorldEvent>) {
        guard !hosts[host].isUp else { return }
        hosts[host].isUp = true
        guard isStorm, random.chance(1, in: 2) else { return }
        agenda.schedule(
            .crashHost(host), after: .milliseconds(2000 + random.below(30_000 as UInt64)))
    }
}
