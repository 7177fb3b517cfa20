/// One instruction in the making: its operands are checked one by one, and it is recorded when all
/// of them were legal.
struct Emission {
    let tracer: Tracer
    let site: Site
    var instruction: Instruction
    private(set) var isLegal = true

    init(_ tracer: Tracer, _ opcode: Opcode, on engine: Engine, at site: Site) {
        self.tracer = tracer
        self.site = site
        instruction = Instruction(opcode, on: engine)
        if tracer.roundsStochastically, engine != .tensor {
            instruction.flags.insert(.stochastic)
        }
    }

    private var name: String { "\(instruction.engine.name).\(instruction.opcode.name)" }

    /// Notes a problem and drops the instruction.
    mutating func refuse(
        _ rule: TraceProblem.Rule, _ what: String, why: String, remedy: String
    ) {
        isLegal = false
        tracer.report(rule, at: site, what, why: why, remedy: remedy)
    }

    /// Whether an engine can access these partitions.
    private mutating func checkPartitions(_ region: TileRegion) -> Bool {
        guard region.isValid else {
            isLegal = false
            return false
        }
        let start = region.partitionStart
        let count = region.partitionCount
        let isAllowed =
            start == 0 || (count <= 64 && start == 64) || (count <= 32 && start % 32 == 0)
        guard isAllowed else {
            refuse(
                .partitions, "\(name) on \(count) partitions from \(start) on",
                why: "engines start at partition 0 (more than 64 partitions), 0 or 64 (33 to 64), "
                    + "or 0, 32, 64, 96 (up to 32)",
                remedy: "begin the tile or the slice at such a partition, or move the rows by DMA")
            return false
        }
        return true
    }

    mutating func read(_ region: TileRegion) -> UInt32 {
        guard checkPartitions(region) else { return Instruction.noPattern }
        guard let index = tracer.reading(region, at: site) else {
            isLegal = false
            return Instruction.noPattern
        }
        return index
    }

    mutating func write(_ region: TileRegion) {
        guard checkPartitions(region) else { return }
        guard let index = tracer.writing(region, at: site) else {
            isLegal = false
            return
        }
        instruction.destination = index
    }

    /// Checks that an input has as many partitions and elements as the result.
    mutating func requireSameShape(_ input: TileRegion, _ result: TileRegion) {
        guard input.isValid, result.isValid else {
            isLegal = false
            return
        }
        let elements = input.layout.elements()
        let expected = result.layout.elements()
        guard input.partitionCount == result.partitionCount, elements == expected else {
            return refuse(
                .shape,
                "\(name) with \(input.partitionCount) x \(elements) into "
                    + "\(result.partitionCount) x \(expected)",
                why:
                    "an elementwise instruction pairs partitions and elements (partitions x "
                    + "elements of each)",
                remedy: "slice the larger one, or repeat the smaller one with `repeated`")
        }
    }

    /// Checks that `region` is partitions x `elements`.
    mutating func requireElements(
        _ region: TileRegion, partitions: Int, elements: Int, _ role: String
    ) {
        guard region.isValid else {
            isLegal = false
            return
        }
        let actual = region.layout.elements()
        guard region.partitionCount == partitions, actual == elements else {
            return refuse(
                .shape, "\(name): \(role) is \(region.partitionCount) x \(actual)",
                why: "it must be \(partitions) x \(elements) (partitions x elements of each)",
                remedy: "slice it or make it of that size")
        }
    }

    /// Resolves a scalar operand: its pattern when it is a column, else nil with the number in
    /// `number`.
    mutating func scalar(
        _ operand: ScalarOperand, partitions: Int, _ role: String, number: inout Float
    ) -> UInt32? {
        switch operand.value {
        case .immediate(let value):
            number = value
            return nil
        case .column(let region):
            requireElements(region, partitions: partitions, elements: 1, role)
            if instruction.engine == .gpsimd, region.space == .psum {
                refuse(
                    .engine, "\(name): \(role) lies in PSUM",
                    why: "the gpsimd engine has no path to PSUM",
                    remedy: "copy it to SBUF with the vector or scalar engine first")
            }
            return isLegal ? read(region) : Instruction.noPattern
        }
    }

    /// Records the instruction if all was well.
    func finish() {
        if isLegal { tracer.append(instruction, at: site) }
    }
}
