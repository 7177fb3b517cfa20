/// Which instruction waits for which: from the compiler's record, or, where there is none (a
/// program written by hand), from the semaphores.
struct DependenceEdges: Sendable {
    /// An instruction that another one waits for.
    struct Edge: Hashable, Sendable {
        /// Who is waited for, and by whom.
        var producer: UInt32
        var consumer: UInt32
        /// Why.
        var kind: DependenceKind
        /// The tile that both touch, or ``AccessPattern/noTile``.
        var tile = AccessPattern.noTile
    }

    /// All edges, in order of consumers.
    let edges: [Edge]

    /// - Complexity: O(instructions + waits).
    init(_ program: Program) {
        let count = UInt32(program.instructions.count)
        if program.waitReasons.isEmpty {
            edges = Self.fromSemaphores(program)
        } else {
            var edges: [Edge] = []
            edges.reserveCapacity(program.waitReasons.count)
            for reason in program.waitReasons
            where reason.producer < count && reason.consumer < count {
                edges.append(
                    Edge(
                        producer: reason.producer, consumer: reason.consumer, kind: reason.kind,
                        tile: reason.tile))
            }
            self.edges = edges
        }
    }

    /// The instructions that `consumer` waits for.
    ///
    /// - Complexity: O(log edges).
    func producers(of consumer: Int) -> ArraySlice<Edge> {
        let all = 0..<edges.count
        let start = edges.firstIndex(in: all) { $0.consumer >= UInt32(consumer) }
        let end = edges.firstIndex(in: start..<edges.count) { $0.consumer > UInt32(consumer) }
        return edges[start..<end]
    }

    /// The signals of one semaphore come from one stream, in its order: the value that is waited
    /// for names the instruction that made the semaphore reach it.
    private static func fromSemaphores(_ program: Program) -> [Edge] {
        var signals: [UInt16: [(value: UInt32, instruction: UInt32)]] = [:]
        for (index, instruction) in program.instructions.enumerated()
        where instruction.signal != SemaphoreWait.none {
            let before = signals[instruction.signal]?.last?.value ?? 0
            signals[instruction.signal, default: []].append(
                (before &+ UInt32(instruction.signalAmount), UInt32(index)))
        }
        var edges: [Edge] = []
        for (index, instruction) in program.instructions.enumerated() {
            for wait in [instruction.wait0, instruction.wait1, instruction.wait2]
            where wait.isPresent && wait.value > 0 {
                guard let stream = signals[wait.semaphore] else { continue }
                let place = stream.firstIndex(in: 0..<stream.count) { $0.value >= wait.value }
                guard place < stream.count else { continue }
                edges.append(
                    Edge(
                        producer: stream[place].instruction, consumer: UInt32(index),
                        kind: DependenceKind(rawValue: UInt8(clamping: wait.kind)) ?? .unknown))
            }
        }
        return edges
    }
}
