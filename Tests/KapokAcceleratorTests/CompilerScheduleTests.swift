import Testing

@testable import KapokAccelerator

@Suite("Compiler: schedules")
struct CompilerScheduleTests {
    private func ticks(_ report: CompilationReport, _ kind: LowerBound.Kind) -> Int64 {
        report.bounds.first { $0.kind == kind }?.ticks ?? 0
    }

    private func matmul() throws -> MatmulSketch {
        MatmulSketch(m: 512, k: 1024, n: 2048, machine: try KernelSketch.machine("trn2"))
    }

    private func compile(_ kernel: TracedKernel) throws -> CompiledKernel {
        try Compiler(machine: kernel.machine, options: CompilerOptions(maximumCandidates: 8))
            .compile(kernel)
    }

    @Test("the naive matmul is as fast as descriptors can be made, but for its first and last tile")
    func naive() throws {
        let kernel = try matmul().naive()
        let report = try compile(kernel).report
        let machine = kernel.machine
        let bound = ticks(report, .descriptors)
        #expect(bound == 272 * machine.ticks(nanoseconds: 604))
        #expect(report.bestBound == bound)
        #expect(report.makespan < bound + machine.ticks(nanoseconds: 12_000))
    }

    @Test("with hoisted loads, tensor and DMA engines are both busy all the time")
    func hoisted() throws {
        let report = try compile(try matmul().hoisted()).report
        #expect(ticks(report, .dma) == report.bestBound)
        #expect(Double(report.makespan) < 1.06 * Double(report.bestBound))
        #expect(Double(report.makespan) < 1.13 * Double(ticks(report, .tensorMultiply)))
    }

    @Test("blocks that do not fit are loaded again behind the tensor engine's back")
    func blocked() throws {
        let machine = try KernelSketch.smallMachine(sbuf: 40 * 1024)
        let matmul = MatmulSketch(m: 512, k: 1024, n: 2048, machine: machine)
        let report = try compile(matmul.blocked()).report
        #expect(report.reloadedBytes > 0)
        #expect(report.spilledBytes == 0)
        #expect(Double(report.makespan) < 1.1 * Double(ticks(report, .tensorMultiply)))
    }

    @Test("column slices keep the tensor engine busy in an SBUF that is full to the last byte")
    func fullyBlocked() throws {
        let machine = try KernelSketch.smallMachine(sbuf: 48 * 1024)
        let matmul = MatmulSketch(m: 1024, k: 1024, n: 1024, machine: machine)
        // Sums of 32 KiB, right blocks of 8 KiB, left blocks of 8 KiB.
        let kernel = matmul.fullyBlocked(blockM: 512, blockN: 1024, blockK: 256)
        let report = try compile(kernel).report
        let sbuf = report.pools.filter { $0.space == .sbuf }
        #expect(sbuf.reduce(0) { $0 + $1.buffers * $1.bytesPerPartition } == 48 * 1024)
        #expect(Double(report.makespan) < 1.25 * Double(ticks(report, .tensorMultiply)))
    }

    /// Rows of a softmax: load, maximum, exponential and sum, reciprocal, scale, store.
    private func softmax(rows: Int) throws -> TracedKernel {
        var sketch = KernelSketch("softmax", machine: try KernelSketch.machine("trn2"))
        let input = sketch.tensor("input", 128, rows * 1024, .input)
        let output = sketch.tensor("output", 128, rows * 1024, .output)
        sketch.loop("row", rows, line: 1) { sketch, row in
            let columns = row * 1024..<(row + 1) * 1024
            let x = sketch.tile("x", columns: 1024, line: 2)
            let maximum = sketch.tile("maximum", columns: 1, line: 3)
            let e = sketch.tile("e", columns: 1024, line: 4)
            let sum = sketch.tile("sum", columns: 1, line: 5)
            let result = sketch.tile("result", columns: 1024, line: 6)
            let (px, pm, pe) = (sketch.part(x), sketch.part(maximum), sketch.part(e))
            let (ps, pr) = (sketch.part(sum), sketch.part(result))
            let source = sketch.region(input, rows: 0..<128, columns: columns)
            let target = sketch.region(output, rows: 0..<128, columns: columns)
            sketch.copy(source, to: px, line: 10)
            sketch.compute(.tensorReduce, [px], to: pm, line: 11)
            sketch.compute(
                .activation, [px, ps, pm], to: pe, on: .scalar, flags: [.scalar1, .reduces],
                line: 12)
            sketch.compute(.reciprocal, [ps], to: ps, line: 13)
            sketch.compute(.tensorScalar, [pe, ps], to: pr, flags: .scalar0, line: 14)
            sketch.copy(pr, to: target, line: 15)
        }
        return sketch.kernel
    }

    @Test("a chain on three engines overlaps between rows")
    func chain() throws {
        let kernel = try softmax(rows: 32)
        let report = try compile(kernel).report
        #expect(Double(report.makespan) < 1.15 * Double(report.bestBound))
        let source = try Compiler(
            machine: kernel.machine, options: CompilerOptions(schedule: .source)
        ).compile(kernel).report
        #expect(Double(report.makespan) < 0.9 * Double(source.makespan))
    }

    @Test("a modulo scheduled loop begins iterations at the rate of its busiest resource")
    func modulo() throws {
        let kernel = try softmax(rows: 32)
        let compiled = try Compiler(
            machine: kernel.machine, options: CompilerOptions(schedule: .modulo)
        ).compile(kernel)
        let loop = try #require(compiled.report.loops.first)
        #expect(loop.name == "row")
        #expect(loop.iterations == 32)
        #expect(loop.instructions == 6)
        #expect(loop.stages > 1)
        #expect(loop.resourceInterval * 32 >= compiled.report.bestBound)
        #expect(loop.initiationInterval >= max(loop.resourceInterval, loop.recurrenceInterval))
        #expect(Double(loop.initiationInterval) <= 1.1 * Double(loop.resourceInterval))
        let length = Double(loop.initiationInterval) * Double(32 + loop.stages)
        #expect(Double(compiled.report.makespan) < 1.25 * length)
    }

    @Test("a recurrence between iterations bounds the interval of a modulo schedule")
    func recurrence() throws {
        var sketch = KernelSketch("state", machine: try KernelSketch.machine("trn2"))
        let state = sketch.tile("state", columns: 64, line: 1)
        let other = sketch.tile("other", columns: 64, line: 2)
        let (a, b) = (sketch.part(state), sketch.part(other))
        sketch.compute(.memset, [], to: a, line: 3)
        sketch.loop("step", 16, line: 4) { sketch, _ in
            sketch.compute(.activation, [a], to: b, on: .scalar, line: 5)
            sketch.compute(.tensorCopy, [b], to: a, line: 6)
        }
        let compiled = try Compiler(
            machine: sketch.kernel.machine, options: CompilerOptions(schedule: .modulo)
        ).compile(sketch.kernel)
        let loop = try #require(compiled.report.loops.first)
        #expect(loop.recurrenceInterval > loop.resourceInterval)
        #expect(loop.initiationInterval == loop.recurrenceInterval)
        #expect(compiled.report.makespan >= 15 * loop.recurrenceInterval)
    }

    @Test("a load of a stationary matrix stays right before its multiplications")
    func bundles() throws {
        var kernel = try matmul().naive()
        // A multiplication further down uses the last matrix that was loaded: it gets its own load.
        let copy = try #require(kernel.instructions.firstIndex { $0.opcode == .tensorCopy })
        let product = kernel.instructions[copy - 1]
        kernel.instructions.insert(product, at: copy + 1)
        kernel.iterationOfInstruction.insert(LoopIteration.none, at: copy + 1)
        let program = try compile(kernel).program
        let tensor = program.instructions.filter { $0.engine == .tensor }
        for (first, second) in zip(tensor, tensor.dropFirst()) {
            if first.opcode == .loadStationary { #expect(second.opcode == .multiplyMoving) }
        }
        let loads = tensor.count { $0.opcode == .loadStationary }
        #expect(loads == tensor.count { $0.opcode == .multiplyMoving })
        #expect(loads == kernel.instructions.count { $0.opcode == .loadStationary } + 1)
    }

    @Test("a multiplication without any matrix is an error")
    func noMatrix() throws {
        var kernel = try matmul().naive()
        kernel.instructions.removeAll { $0.opcode == .loadStationary }
        kernel.iterationOfInstruction = []
        #expect(throws: CompilerError.self) { try compile(kernel) }
    }

    @Test("compiling twice gives the same program")
    func deterministic() throws {
        let machine = try KernelSketch.smallMachine(sbuf: 1024)
        var random = RandomKernel(seed: 103, machine: machine, columns: 64, isTall: true)
        let kernel = random.make(iterations: 4, operations: 6)
        let first = try compile(kernel)
        let second = try compile(kernel)
        #expect(first.program == second.program)
        #expect(first.report == second.report)
    }

    @Test("the report fits a screen and names what limits")
    func text() throws {
        let kernel = try softmax(rows: 32)
        let report = try compile(kernel).report
        let text = report.text(machine: kernel.machine)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 42)
        #expect(lines.allSatisfy { $0.count <= 100 })
        #expect(text.contains("of the best lower bound"))
        for name in ["dma ", "vector ", "path ", "x  ", "source"] {
            #expect(text.contains(name), "\(name) is missing in:\n\(text)")
        }
    }

    @Test("no instruction, no program: an empty kernel compiles to an empty program")
    func empty() throws {
        let machine = try KernelSketch.machine("trn2")
        let compiled = try Compiler(machine: machine).compile(
            TracedKernel(name: "nothing", machine: machine))
        #expect(compiled.program.instructions.isEmpty)
        #expect(compiled.report.makespan == 0)
    }
}
