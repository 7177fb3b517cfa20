/// Which DMA ring carries which transfer.
///
/// A ring completes its transfers in order, so transfers that should overtake each other need
/// different ones: every source line has a ring of its own while there are enough, loads and stores
/// never share one, and a ring is fed by one engine only, for only then its order is known.
struct RingAssignment {
    private var ringOfStream: [Stream: UInt8] = [:]

    private struct Stream: Hashable {
        var engine: Engine
        var isStore: Bool
        var line: UInt32

        init(_ instruction: Instruction, _ patterns: [AccessPattern]) {
            engine = instruction.engine
            isStore = patterns[Int(instruction.destination)].space == .hbm
            line = instruction.line
        }

        var group: Int { Int(engine.rawValue) * 2 + (isStore ? 1 : 0) }
    }

    /// - Parameter rings: at least one for each engine that triggers transfers; with less than two
    ///   for each, loads and stores of an engine share one.
    init(_ instructions: [Instruction], _ patterns: [AccessPattern], rings: Int) {
        var groups: [[Stream]] = Array(repeating: [], count: Engine.allCases.count * 2)
        var known: Set<Stream> = []
        for instruction in instructions where instruction.opcode.isDMA {
            let stream = Stream(instruction, patterns)
            if known.insert(stream).inserted { groups[stream.group].append(stream) }
        }
        var used = groups.filter { !$0.isEmpty }
        if used.count > rings {
            used = Engine.allCases.indices.map { groups[2 * $0] + groups[2 * $0 + 1] }
                .filter { !$0.isEmpty }
        }
        var shares = used.map { _ in 1 }
        // The group whose rings are most crowded gets the next one.
        for _ in shares.count..<max(rings, shares.count) {
            let crowded = used.indices.max {
                (used[$0].count * shares[$1], $1) < (used[$1].count * shares[$0], $0)
            }
            guard let crowded, used[crowded].count > shares[crowded] else { break }
            shares[crowded] += 1
        }
        var firstRing = 0
        for (group, share) in zip(used, shares) {
            for (index, stream) in group.enumerated() {
                ringOfStream[stream] = UInt8(firstRing + index % share)
            }
            firstRing += share
        }
    }

    /// The ring of a transfer.
    func ring(of instruction: Instruction, _ patterns: [AccessPattern]) -> UInt8 {
        ringOfStream[Stream(instruction, patterns)] ?? 0
    }
}
