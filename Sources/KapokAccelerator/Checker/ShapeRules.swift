/// Whether the operands of one instruction fit each other and the opcode.
struct ShapeRules {
    private let program: Program
    private let machine: Machine
    private var one: Instruction
    private let index: Int

    /// - Parameter one: with all operands that its opcode asks for.
    init(_ program: Program, _ machine: Machine, _ one: Instruction, _ index: Int) {
        self.program = program
        self.machine = machine
        // A flag that means nothing to the opcode is told elsewhere, and asks for no operand.
        self.one = one
        self.one.flags.formIntersection(OpcodeRules.of(one.opcode).flags)
        self.index = index
    }

    private var destination: AccessPattern { program.patterns[Int(one.destination)] }
    private var source0: AccessPattern { program.patterns[Int(one.source0)] }
    private var source1: AccessPattern { program.patterns[Int(one.source1)] }
    private var source2: AccessPattern { program.patterns[Int(one.source2)] }

    /// - Parameter stationary: the last `loadStationary` before it in the tensor queue.
    func check(stationary: Int?, _ collector: inout DiagnosticCollector) {
        switch one.opcode {
        case .nop, .memset, .iota: break
        case .loadStationary: checkMatrix(machine.stationaryColumns, "stationary", &collector)
        case .multiplyMoving:
            checkMatrix(machine.movingColumns, "moving", &collector)
            checkProduct(stationary, &collector)
        case .dmaCopy: checkTransfer(&collector)
        case .dmaTranspose:
            checkTransfer(&collector)
            checkTransposition(&collector)
        case .tensorReduce, .partitionReduce, .bnStats, .bnAggregate: checkReduction(&collector)
        case .max8, .findIndex8, .matchReplace8: checkSelection(&collector)
        default: checkElementwise(&collector)
        }
    }

    // MARK: Reports

    private func shape(_ pattern: AccessPattern) -> String {
        "\(pattern.partitionCount) x \(pattern.elementsPerPartition)"
    }

    private func addShape(
        _ problem: String, why: String, remedy: String, _ collector: inout DiagnosticCollector
    ) {
        collector.add(.error, .shape, at: index, problem, why: why, remedy: remedy)
    }

    private func addType(
        _ name: String, _ type: ElementType, why: String, remedy: String,
        _ collector: inout DiagnosticCollector
    ) {
        collector.add(
            .error, .type, at: index, "has \(name) of \(type.name)", why: why, remedy: remedy)
    }

    /// Checks that an operand has `partitions` partitions of `elements` elements.
    private func require(
        _ pattern: AccessPattern, _ name: String, _ partitions: Int, _ elements: Int,
        why: String = "the operands of an elementwise instruction have the same shape",
        _ collector: inout DiagnosticCollector
    ) {
        guard Int(pattern.partitionCount) != partitions || pattern.elementsPerPartition != elements
        else { return }
        addShape(
            "has \(name) of \(shape(pattern)) where \(partitions) x \(elements) is needed",
            why: why, remedy: "slice the operands alike: partitions x elements of each", &collector)
    }

    // MARK: Tensor engine

    private func columns(_ pattern: AccessPattern) -> Int {
        let elements = pattern.elementsPerPartition
        return one.flags.contains(.doubleRow) ? elements / 2 : elements
    }

    private func checkMatrix(
        _ limit: Int, _ name: String, _ collector: inout DiagnosticCollector
    ) {
        let matrix = source0
        if Int(matrix.partitionCount) > machine.tensorRows || columns(matrix) > limit {
            addShape(
                "has a \(name) matrix of \(matrix.partitionCount) x \(columns(matrix))",
                why: "the array takes at most \(machine.tensorRows) x \(limit)",
                remedy: "cut the matrix into tiles of at most that size", &collector)
        }
        if !matrix.type.isFloatingPoint {
            addType(
                "a \(name) matrix", matrix.type,
                why: "the tensor engine multiplies floating-point numbers",
                remedy: "convert it with tensorCopy first", &collector)
        }
        if one.flags.contains(.doubleRow),
            matrix.type.byteCount != 1 || matrix.elementsPerPartition % 2 != 0
        {
            addType(
                "a \(name) matrix of \(matrix.elementsPerPartition) elements a partition",
                matrix.type,
                why: "double rows are two FP8 rows in each partition",
                remedy: "use an FP8 type and lay the matrix out as K/2 x 2 x columns", &collector)
        }
    }

    private func checkProduct(_ stationary: Int?, _ collector: inout DiagnosticCollector) {
        guard let stationary else {
            addShape(
                "multiplies before any stationary matrix was loaded",
                why: "the array holds nothing", remedy: "put a loadStationary before it", &collector
            )
            return
        }
        let load = program.instructions[stationary]
        let loaded = program.patterns[Int(load.source0)]
        let moving = source0
        if loaded.partitionCount != moving.partitionCount
            || load.flags.contains(.doubleRow) != one.flags.contains(.doubleRow)
        {
            collector.add(
                .error, .shape, at: index, related: [(stationary, "loads the stationary matrix")],
                "moves a matrix of \(shape(moving)) through a stationary one of \(shape(loaded))",
                why: "both have the contraction dimension in their partitions, as single or both "
                    + "as double rows",
                remedy: "slice both to the same partitions")
        }
        if (loaded.type == .fp32) != (moving.type == .fp32) {
            collector.add(
                .error, .type, at: index, kind: 1,
                related: [(stationary, "loads the stationary matrix")],
                "moves \(moving.type.name) through a stationary matrix of \(loaded.type.name)",
                why: "FP32 is multiplied in four passes, others in one: both matrices or neither",
                remedy: "convert one of them with tensorCopy first")
        }
        checkResult(loaded, &collector)
    }

    private func checkResult(
        _ loaded: AccessPattern, _ collector: inout DiagnosticCollector
    ) {
        let moving = source0
        let type = destination.type
        if one.flags.contains(.transpose) {
            require(
                destination, "a result", moving.elementsPerPartition, Int(moving.partitionCount),
                why: "a transposition makes partitions of columns and columns of partitions",
                &collector)
            if type.byteCount != moving.type.byteCount {
                addType(
                    "a result", type, why: "a transposition passes \(moving.type.name) unchanged",
                    remedy: "give the result a type of the same width", &collector)
            }
            return
        }
        require(
            destination, "a result", columns(loaded), columns(moving),
            why: "the stationary matrix's columns become partitions, the moving one's stay columns",
            &collector)
        if !type.isFloatingPoint {
            addType(
                "a result", type, why: "products are floating-point numbers",
                remedy: "write FP32, and convert with tensorCopy", &collector)
        }
    }

    // MARK: DMA

    private func checkTransfer(_ collector: inout DiagnosticCollector) {
        let from = source0.elementsPerPartition * Int(source0.partitionCount)
        let to = destination.elementsPerPartition * Int(destination.partitionCount)
        guard from != to else { return }
        addShape(
            "moves \(from) elements (\(shape(source0))) to \(to) (\(shape(destination)))",
            why: "each element that is read is written once",
            remedy: "slice both ends alike", &collector)
    }

    private func checkTransposition(_ collector: inout DiagnosticCollector) {
        if Int(source0.partitionCount) != destination.elementsPerPartition {
            addShape(
                "transposes \(shape(source0)) into \(shape(destination))",
                why: "rows become columns and columns rows",
                remedy: "give the destination \(source0.elementsPerPartition) partitions of "
                    + "\(source0.partitionCount) elements", &collector)
        }
        let widths = (source0.type.byteCount, destination.type.byteCount)
        guard widths.0 != widths.1 || widths.0 == 1 else { return }
        addType(
            "\(source0.type.name) to transpose into a destination", destination.type,
            why: "the DMA engines transpose elements of 2 or 4 bytes, unchanged",
            remedy: "use such a type at both ends, or transpose with the tensor engine", &collector)
    }

    // MARK: Vector, scalar, gpsimd

    private func checkElementwise(_ collector: inout DiagnosticCollector) {
        let partitions = Int(destination.partitionCount)
        let elements = destination.elementsPerPartition
        require(source0, "source0", partitions, elements, &collector)
        let whyScalar = "a scalar operand has one element for each partition"
        switch one.opcode {
        case .tensorTensor, .scalarTensorTensor, .tensorTensorScan, .copyPredicated:
            require(source1, "source1", partitions, elements, &collector)
            if one.flags.contains(.scalar0) {
                require(source2, "source2", partitions, 1, why: whyScalar, &collector)
            }
        case .tensorScalar, .activation:
            if one.flags.contains(.scalar0) {
                require(source1, "source1", partitions, 1, why: whyScalar, &collector)
            }
            if one.flags.contains(.scalar1) {
                require(source2, "source2", partitions, 1, why: whyScalar, &collector)
            }
            if one.flags.contains(.reduces) {
                require(
                    source1, "a sum", partitions, 1,
                    why: "the fused reduction gives one sum for each partition", &collector)
            }
        default: break
        }
    }

    private func checkReduction(_ collector: inout DiagnosticCollector) {
        let partitions = Int(source0.partitionCount)
        let elements = source0.elementsPerPartition
        switch one.opcode {
        case .tensorReduce:
            let kept = destination.elementsPerPartition
            if Int(destination.partitionCount) != partitions || elements % kept != 0 {
                addShape(
                    "reduces \(shape(source0)) to \(shape(destination))",
                    why: "the inner dimensions of each partition are reduced, the outer ones stay",
                    remedy: "give the result the outer dimensions of the source", &collector)
            }
        case .partitionReduce:
            require(
                destination, "a result", 1, elements,
                why: "the partitions of each column are reduced to one", &collector)
        case .bnStats:
            require(
                destination, "a result", partitions, 3,
                why: "it holds count, mean and squared deviations", &collector)
            requireFP32("a result", destination.type, &collector)
        default:
            require(
                destination, "a result", partitions, 2, why: "it holds mean and variance",
                &collector)
            requireFP32("a result", destination.type, &collector)
            requireFP32("statistics", source0.type, &collector)
            if elements % 3 != 0 {
                addShape(
                    "aggregates \(shape(source0))",
                    why: "bnStats writes three numbers for each group",
                    remedy: "read whole groups of three", &collector)
            }
        }
    }

    private func requireFP32(
        _ name: String, _ type: ElementType, _ collector: inout DiagnosticCollector
    ) {
        guard type != .fp32 else { return }
        addType(
            name, type, why: "statistics are kept in FP32", remedy: "use fp32", &collector)
    }

    private func checkSelection(_ collector: inout DiagnosticCollector) {
        let partitions = Int(destination.partitionCount)
        let whyEight = "the engine handles eight values of each partition at a time"
        switch one.opcode {
        case .max8:
            require(destination, "a result", partitions, 8, why: whyEight, &collector)
            if Int(source0.partitionCount) != partitions || source0.elementsPerPartition < 8 {
                addShape(
                    "selects eight of \(shape(source0)) for \(partitions) partitions",
                    why: "each partition must have eight values at least",
                    remedy: "give it a source of as many partitions and at least eight elements",
                    &collector)
            }
        case .findIndex8:
            require(destination, "a result", partitions, 8, why: whyEight, &collector)
            require(source0, "values", partitions, 8, why: whyEight, &collector)
            require(
                source1, "source1", partitions, source1.elementsPerPartition,
                why: "each partition is searched for its own values", &collector)
            if destination.type != .uint32 {
                addType(
                    "a result", destination.type, why: "it holds indices",
                    remedy: "use uint32", &collector)
            }
        default:
            require(
                source0, "source0", partitions, destination.elementsPerPartition, &collector)
            require(source1, "values", partitions, 8, why: whyEight, &collector)
        }
    }
}
