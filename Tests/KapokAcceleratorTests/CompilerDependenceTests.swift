import Testing

@testable import KapokAccelerator

@Suite("Compiler: dependences")
struct CompilerDependenceTests {
    private func pattern(
        columns: Range<Int>, stride: Int = 1, partitions: Range<Int> = 0..<128
    ) -> AccessPattern {
        AccessPattern(
            .sbuf, .fp32, partitionStart: partitions.lowerBound,
            partitionCount: partitions.count, offset: columns.lowerBound * 4, tile: 0,
            dimensions: [
                FreeDimension(count: (columns.count + stride - 1) / stride, stride: stride)
            ])
    }

    private func edges(
        _ accesses: [(AccessPattern, isWrite: Bool)]
    ) -> [[DependenceKind: Set<UInt32>]] {
        let instructions = accesses.enumerated().map { index, access in
            var instruction = Instruction(.tensorCopy, on: .vector)
            if access.isWrite {
                instruction.destination = UInt32(index)
            } else {
                instruction.source0 = UInt32(index)
            }
            return instruction
        }
        let graph = DependenceGraph(instructions, patterns: accesses.map(\.0), tensors: [])
        return instructions.indices.map { index in
            var found: [DependenceKind: Set<UInt32>] = [:]
            for edge in graph.start[index]..<graph.start[index + 1] {
                found[graph.kinds[edge], default: []].insert(graph.producers[edge])
            }
            return found
        }
    }

    @Test("a read depends on the writers of its bytes, a write on readers and writers")
    func kinds() {
        let found = edges([
            (pattern(columns: 0..<8), true),
            (pattern(columns: 4..<12), false),
            (pattern(columns: 8..<16), true),
            (pattern(columns: 0..<16), false),
            (pattern(columns: 0..<16), true),
        ])
        #expect(found[1] == [.flow: [0]])
        #expect(found[2] == [.anti: [1]])
        #expect(found[3] == [.flow: [0, 2]])
        #expect(found[4] == [.output: [0, 2], .anti: [1, 3]])
    }

    @Test("even and odd columns have nothing to do with each other")
    func strides() {
        let found = edges([
            (pattern(columns: 0..<64, stride: 2), true),
            (pattern(columns: 1..<64, stride: 2), true),
            (pattern(columns: 0..<64, stride: 2), false),
            (pattern(columns: 0..<64, stride: 4), true),
        ])
        #expect(found[1] == [:])
        #expect(found[2] == [.flow: [0]])
        #expect(found[3] == [.output: [0], .anti: [2]])
    }

    @Test("partitions that are apart have nothing to do with each other")
    func partitions() {
        let found = edges([
            (pattern(columns: 0..<8, partitions: 0..<64), true),
            (pattern(columns: 0..<8, partitions: 64..<128), true),
            (pattern(columns: 0..<8, partitions: 32..<64), false),
            (pattern(columns: 0..<8), true),
        ])
        #expect(found[1] == [:])
        #expect(found[2] == [.flow: [0]])
        #expect(found[3] == [.output: [0, 1], .anti: [2]])
    }

    @Test("a tile of a matrix in HBM is one rectangle, and its neighbours are others")
    func rectangles() {
        var footprint = Footprint()
        let tile = AccessPattern(
            .hbm, .fp32, partitionCount: 128, offset: (256 * 1024 + 512) * 4, tensor: 0,
            partitionStride: 1024, dimensions: [FreeDimension(count: 512, stride: 1)])
        footprint.set(inHBM: tile, pitch: 4096)
        #expect(footprint.rows == [Run(start: 256, end: 384)])
        #expect(footprint.columns == [Run(start: 2048, end: 4096)])
        // Transposed: partitions walk along a row.
        let turned = AccessPattern(
            .hbm, .fp32, partitionCount: 128, offset: 0, tensor: 0, partitionStride: 1,
            dimensions: [FreeDimension(count: 64, stride: 1024)])
        footprint.set(inHBM: turned, pitch: 4096)
        #expect(footprint.rows == [Run(start: 0, end: 64)])
        #expect(footprint.columns == [Run(start: 0, end: 512)])
    }

    @Test("a pattern with too many pieces is widened, never narrowed")
    func widened() {
        var footprint = Footprint()
        footprint.set(
            onChip: AccessPattern(
                .sbuf, .fp32, partitionCount: 1, tile: 0,
                dimensions: [
                    FreeDimension(count: 100, stride: 400), FreeDimension(count: 100, stride: 3),
                ]))
        #expect(footprint.columns == [Run(start: 0, end: (99 * 400 + 99 * 3 + 1) * 4)])
    }

    /// A loop that loads, computes and stores on pools of exactly eight buffers.
    private func eightBuffers() throws -> TracedKernel {
        let machine = try KernelSketch.smallMachine(sbuf: 16 * 1024)
        var sketch = KernelSketch("eight buffers", machine: machine)
        let input = sketch.tensor("input", 128, 64 * 256, .input)
        let output = sketch.tensor("output", 128, 64 * 256, .output)
        sketch.loop("i", 64, line: 1) { sketch, index in
            let columns = index * 256..<(index + 1) * 256
            let loaded = sketch.tile("loaded", columns: 256, line: 2)
            let result = sketch.tile("result", columns: 256, line: 3)
            let source = sketch.part(loaded)
            let target = sketch.part(result)
            let from = sketch.region(input, rows: 0..<128, columns: columns)
            sketch.copy(from, to: source, line: 4)
            sketch.compute(.activation, [source], to: target, on: .scalar, line: 5)
            let to = sketch.region(output, rows: 0..<128, columns: columns)
            sketch.copy(target, to: to, on: .gpsimd, line: 6)
        }
        return sketch.kernel
    }

    @Test(
        "with eight buffers, iteration i waits for i - 8 and never for i - 1",
        arguments: CompilerOptions.Schedule.allCases)
    func noFalseDependency(schedule: CompilerOptions.Schedule) throws {
        let kernel = try eightBuffers()
        let compiled = try Compiler(
            machine: kernel.machine, options: CompilerOptions(schedule: schedule)
        ).compile(kernel)
        let program = compiled.program
        #expect(compiled.report.pools.map(\.buffers) == [8, 8])
        func iteration(_ index: UInt32) -> Int {
            Int(program.iterationOfInstruction[Int(index)])
        }
        var reused = 0
        for reason in program.waitReasons {
            let distance = iteration(reason.consumer) - iteration(reason.producer)
            switch reason.kind {
            case .flow: #expect(distance == 0)
            case .anti, .output:
                #expect(distance == 8)
                reused += 1
            default: Issue.record("a wait of kind \(reason.kind)")
            }
        }
        #expect(reused >= 56)
    }

    @Test("a slice of a buffer is refilled as soon as that slice was read")
    func slices() throws {
        let machine = try KernelSketch.smallMachine(sbuf: 8192)
        var sketch = KernelSketch("slices", machine: machine)
        let input = sketch.tensor("input", 128, 4 * 1024, .input)
        let output = sketch.tensor("output", 128, 4 * 1024, .output)
        sketch.loop("i", 4, line: 1) { sketch, index in
            let tile = sketch.tile("wide", columns: 1024, line: 2)
            for slice in 0..<4 {
                let first = index * 1024 + slice * 256
                let target = sketch.part(tile, columns: slice * 256..<slice * 256 + 256)
                let from = sketch.region(input, rows: 0..<128, columns: first..<first + 256)
                sketch.copy(from, to: target, line: 3)
            }
            for slice in 0..<4 {
                let first = index * 1024 + slice * 256
                let source = sketch.part(tile, columns: slice * 256..<slice * 256 + 256)
                let result = sketch.tile("result", columns: 256, line: 4)
                let target = sketch.part(result)
                sketch.compute(.tensorCopy, [source], to: target, line: 5)
                let to = sketch.region(output, rows: 0..<128, columns: first..<first + 256)
                sketch.copy(target, to: to, on: .scalar, line: 6)
            }
        }
        let compiled = try Compiler(machine: machine).compile(sketch.kernel)
        let program = compiled.program
        #expect(compiled.report.pools.first { $0.name == "wide" }?.buffers == 1)
        func column(_ pattern: UInt32) -> Int64 { program.patterns[Int(pattern)].offset }
        var refills = 0
        for reason in program.waitReasons where reason.kind == .anti {
            let load = program.instructions[Int(reason.consumer)]
            let reader = program.instructions[Int(reason.producer)]
            guard load.opcode == .dmaCopy, reader.opcode == .tensorCopy else { continue }
            #expect(column(load.destination) == column(reader.source0))
            refills += 1
        }
        #expect(refills == 12)
    }
}
