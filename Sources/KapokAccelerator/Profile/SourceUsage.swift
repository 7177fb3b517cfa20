/// What the instructions of one place in the source did with the core's time, in ticks.
public struct SourceUsage: Hashable, Sendable {
    /// Instructions.
    public var count = 0
    /// Work by unit, at index ``Unit/rawValue``; the last entry is the sum over all DMA engines.
    public var busy = [Int64](repeating: 0, count: Unit.engineUnitCount + 1)
    /// Idle time that its instructions caused elsewhere or for each other: stalls of which one of
    /// them is the culprit. Sums over the units of engines, and over DMA engines.
    public var engineStallsCaused: Int64 = 0
    public var dmaStallsCaused: Int64 = 0
    /// Idle time of units until its instructions could go on: stalls of which one is the victim.
    /// The end of the program is nobody's.
    public var engineStallsSuffered: Int64 = 0
    public var dmaStallsSuffered: Int64 = 0
    /// Its share of the critical path.
    public var criticalTicks: Int64 = 0

    public init() {}

    static func += (a: inout SourceUsage, b: SourceUsage) {
        a.count += b.count
        for unit in a.busy.indices { a.busy[unit] += b.busy[unit] }
        a.engineStallsCaused += b.engineStallsCaused
        a.dmaStallsCaused += b.dmaStallsCaused
        a.engineStallsSuffered += b.engineStallsSuffered
        a.dmaStallsSuffered += b.dmaStallsSuffered
        a.criticalTicks += b.criticalTicks
    }
}

/// The use of the core by each source line of a program.
public struct LineUsage: Hashable, Sendable {
    /// Index into ``Program/lines``.
    public var line: Int
    /// What its instructions did.
    public var usage: SourceUsage
}

/// The use of the core by one loop, all iterations together.
public struct LoopUsage: Hashable, Sendable {
    /// Index into ``Program/loops``.
    public var loop: Int
    /// The enclosing loop, or nil.
    public var parent: Int?
    /// How deep it is: 0 for outermost loops.
    public var depth: Int
    /// Iterations in which instructions were issued, directly or in inner loops.
    public var iterations: Int
    /// What the instructions in it did, those of inner loops included.
    public var usage: SourceUsage
}

extension Profile {
    /// One entry for each line that has instructions, in the order of ``Program/lines``.
    public func lineUsage() -> [LineUsage] {
        let table = SourceTable(self, groups: program.lines.count) { index in
            let line = Int(program.instructions[index].line)
            return line < program.lines.count ? line : 0
        }
        return table.groups.indices.filter { table.groups[$0].count > 0 }.map {
            LineUsage(line: $0, usage: table.groups[$0])
        }
    }

    /// One entry for each loop and place at which it stands, an enclosing loop before those in it.
    public func loopUsage() -> [LoopUsage] {
        guard program.iterationOfInstruction.count == program.instructions.count else {
            return []
        }
        let tree = LoopTree(program)
        let outside = tree.nodes.count
        let table = SourceTable(self, groups: outside + 1) { index in
            let iteration = Int(program.iterationOfInstruction[index])
            return iteration < tree.nodeOfIteration.count
                ? tree.nodeOfIteration[iteration] : outside
        }
        return tree.usage(table.groups)
    }
}
