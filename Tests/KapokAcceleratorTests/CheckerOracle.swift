@testable import KapokAccelerator

/// Decides about races by brute force, from the definitions alone: sets of bytes, and a graph of
/// starts and ends with its full transitive closure. Slow, short, and apart from the checker.
struct RaceOracle {
    private let program: Program
    private var reads: [Set<Int>] = []
    private var writes: [Set<Int>] = []

    init(_ program: Program) {
        self.program = program
        for one in program.instructions {
            var read: Set<Int> = []
            var written: Set<Int> = []
            let sums = one.opcode == .activation && one.flags.contains(.reduces)
            read.formUnion(bytes(one.source0))
            if sums {
                written.formUnion(bytes(one.source1))
            } else {
                read.formUnion(bytes(one.source1))
            }
            read.formUnion(bytes(one.source2))
            written.formUnion(bytes(one.destination))
            if one.opcode == .multiplyMoving, one.flags.contains(.accumulate) {
                read.formUnion(bytes(one.destination))
            }
            reads.append(read)
            writes.append(written)
        }
    }

    /// The oracle for a program that differs in waits and signals only.
    func withSynchronisation(of other: Program) -> RaceOracle {
        RaceOracle(other, reads: reads, writes: writes)
    }

    private init(_ program: Program, reads: [Set<Int>], writes: [Set<Int>]) {
        self.program = program
        self.reads = reads
        self.writes = writes
    }

    /// Instructions that read a byte of SBUF, PSUM or a tensor (but inputs) that none before wrote.
    var uninitialisedReaders: Set<Int> {
        var written: Set<Int> = []
        var result: Set<Int> = []
        for i in program.instructions.indices {
            let unknown = reads[i].subtracting(written).contains { byte in
                guard byte >> 50 == Int(MemorySpace.hbm.rawValue) else { return true }
                return program.tensors[byte >> 40 & 0x3FF].role != .input
            }
            if unknown { result.insert(i) }
            written.formUnion(writes[i])
        }
        return result
    }

    /// All bytes that a pattern covers, each as one number.
    func bytes(_ index: UInt32) -> Set<Int> {
        guard index != Instruction.noPattern else { return [] }
        let pattern = program.patterns[Int(index)]
        let size = pattern.type.byteCount
        var result: Set<Int> = []
        for p in 0..<Int(pattern.partitionCount) {
            for i0 in 0..<Int(pattern.dimension0.count) {
                for i1 in 0..<Int(pattern.dimension1.count) {
                    for i2 in 0..<Int(pattern.dimension2.count) {
                        for i3 in 0..<Int(pattern.dimension3.count) {
                            var element = i0 * Int(pattern.dimension0.stride)
                            element += i1 * Int(pattern.dimension1.stride)
                            element += i2 * Int(pattern.dimension2.stride)
                            element += i3 * Int(pattern.dimension3.stride)
                            var base = Int(pattern.space.rawValue) << 50
                            if pattern.space == .hbm {
                                base += Int(pattern.tensor) << 40
                                element += p * Int(pattern.partitionStride)
                            } else {
                                base += (Int(pattern.partitionStart) + p) << 30
                            }
                            let first = base + Int(pattern.offset) + element * size
                            for byte in first..<first + size { result.insert(byte) }
                        }
                    }
                }
            }
        }
        return result
    }

    /// The number of the unit or ring that completes an instruction.
    func stream(_ i: Int) -> Int {
        let one = program.instructions[i]
        return one.opcode.isDMA ? 6 + Int(one.ring) : Int(one.unit.rawValue)
    }

    /// Why `first` must end before `second` starts; nil when it need not, or when the hardware sees
    /// to it.
    func mustBeOrdered(_ first: Int, _ second: Int) -> DependenceKind? {
        let isSameUnit =
            stream(first) == stream(second) && !program.instructions[second].opcode.isDMA
        if !writes[first].isDisjoint(with: reads[second]) {
            let areProducts =
                program.instructions[first].opcode == .multiplyMoving
                && program.instructions[second].opcode == .multiplyMoving
            if !(isSameUnit && areProducts) { return .flow }
        }
        if isSameUnit { return nil }
        if !writes[first].isDisjoint(with: writes[second]) { return .output }
        if !reads[first].isDisjoint(with: writes[second]) { return .anti }
        return nil
    }

    /// Whether `second` touches a byte that `first` touched last: last written, or read by its
    /// stream last since it was written.
    func areNeighbours(_ first: Int, _ second: Int) -> Bool {
        var open = writes[first].intersection(reads[second].union(writes[second]))
        var read = reads[first].intersection(writes[second])
        for between in first + 1..<max(second, first + 1) {
            open.subtract(writes[between])
            read.subtract(writes[between])
            if stream(between) == stream(first) { read.subtract(reads[between]) }
        }
        // A write of its own hides what it read of the same byte.
        read.subtract(writes[first])
        return !open.isEmpty || !read.isEmpty
    }

    // MARK: Order

    /// The edges of the graph: node `2 * i` is the start of instruction `i`, `2 * i + 1` its end.
    /// nil when a wait is never satisfied.
    private func edges() -> [[Int]]? {
        let count = program.instructions.count
        var edges = [[Int]](repeating: [], count: 2 * count)
        for i in 0..<count {
            let one = program.instructions[i]
            edges[2 * i].append(2 * i + 1)
            if let next = (i + 1..<count).first(where: {
                program.instructions[$0].engine == one.engine
            }) {
                edges[2 * i].append(2 * next)
            }
            if let next = (i + 1..<count).first(where: { stream($0) == stream(i) }) {
                edges[2 * i + 1].append(2 * next + 1)
            }
            if one.opcode == .multiplyMoving,
                let load = (0..<i).last(where: {
                    program.instructions[$0].opcode == .loadStationary
                })
            {
                edges[2 * load + 1].append(2 * i)
            }
            for wait in [one.wait0, one.wait1, one.wait2] where wait.isPresent && wait.value > 0 {
                guard let producer = producer(wait) else { return nil }
                edges[2 * producer + 1].append(2 * i)
            }
        }
        return edges
    }

    private func producer(_ wait: SemaphoreWait) -> Int? {
        var value = 0
        for (i, one) in program.instructions.enumerated() where one.signal == wait.semaphore {
            value += Int(one.signalAmount)
            if value >= Int(wait.value) { return i }
        }
        return nil
    }

    /// Whether the program can run to its end: all waits end, and nothing waits for itself.
    var runs: Bool {
        guard let edges = edges() else { return false }
        var incoming = [Int](repeating: 0, count: edges.count)
        for targets in edges { for target in targets { incoming[target] += 1 } }
        var ready = incoming.indices.filter { incoming[$0] == 0 }
        var done = 0
        while let node = ready.popLast() {
            done += 1
            for target in edges[node] {
                incoming[target] -= 1
                if incoming[target] == 0 { ready.append(target) }
            }
        }
        return done == edges.count
    }

    /// All pairs that must be ordered and are not.
    func races() -> [(first: Int, second: Int)] {
        guard let edges = edges() else { return [] }
        var result: [(first: Int, second: Int)] = []
        for first in program.instructions.indices {
            var reached = [Bool](repeating: false, count: edges.count)
            var open = [2 * first + 1]
            while let node = open.popLast() {
                for target in edges[node] where !reached[target] {
                    reached[target] = true
                    open.append(target)
                }
            }
            for second in program.instructions.indices.dropFirst(first + 1)
            where !reached[2 * second] && mustBeOrdered(first, second) != nil {
                result.append((first, second))
            }
        }
        return result
    }
}
