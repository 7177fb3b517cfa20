import Testing

@testable import KapokAccelerator

@Suite("Compiler: semaphores")
struct CompilerSemaphoreTests {
    private func compile(
        _ sketch: KernelSketch, _ schedule: CompilerOptions.Schedule = .source
    ) throws -> Program {
        try Compiler(
            machine: sketch.kernel.machine, options: CompilerOptions(schedule: schedule)
        ).compile(sketch.kernel).program
    }

    private func waits(_ instruction: Instruction) -> Int {
        [instruction.wait0, instruction.wait1, instruction.wait2].count { $0.isPresent }
    }

    @Test("a unit waits for its own results, but not to overwrite what it has read")
    func sameUnit() throws {
        var sketch = KernelSketch("chain", machine: try KernelSketch.machine("trn2"))
        let a = sketch.tile("a", columns: 64, line: 1)
        let b = sketch.tile("b", columns: 64, line: 2)
        let (first, second) = (sketch.part(a), sketch.part(b))
        sketch.compute(.memset, [], to: first, line: 3)
        sketch.compute(.tensorCopy, [first], to: second, line: 4)
        sketch.compute(.memset, [], to: first, line: 5)
        let program = try compile(sketch)
        #expect(program.instructions.map(waits) == [0, 1, 0])
        #expect(program.instructions[0].signal == UInt16(Unit.vector.rawValue))
        #expect(program.instructions[1].wait0.semaphore == UInt16(Unit.vector.rawValue))
        #expect(program.instructions[1].signal == SemaphoreWait.none)
        #expect(
            program.waitReasons == [
                WaitReason(consumer: 1, slot: 0, kind: .flow, producer: 0, tile: a)
            ])
    }

    @Test("products that accumulate in PSUM do not wait for each other")
    func accumulation() throws {
        var sketch = KernelSketch("sum", machine: try KernelSketch.machine("trn2"))
        let tile = sketch.tile("operand", columns: 128, line: 1)
        let psum = sketch.tile("psum", .psum, columns: 128, line: 2)
        let (operand, target) = (sketch.part(tile), sketch.part(psum))
        sketch.compute(.memset, [], to: operand, line: 3)
        for step in 0..<4 {
            sketch.multiply(operand, operand, to: target, accumulate: step > 0, line: 4)
        }
        let program = try compile(sketch)
        // Only the first load waits: everything later on the tensor engine knows of the memset.
        #expect(program.instructions.map(waits) == [0, 1, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test("more conditions than an instruction holds go to a nop before it")
    func nops() throws {
        var sketch = KernelSketch("many", machine: try KernelSketch.machine("trn2"))
        let input = sketch.tensor("input", 128, 256, .input)
        let tile = sketch.tile("tile", columns: 256, line: 1)
        // Five transfers on five rings, then one instruction that needs all of them.
        for part in 0..<5 {
            let columns = part * 32..<part * 32 + 32
            let source = sketch.region(input, rows: 0..<128, columns: columns)
            let target = sketch.part(tile, columns: columns)
            sketch.copy(source, to: target, on: part % 2 == 0 ? .sync : .scalar, line: 10 + part)
        }
        let read = sketch.part(tile, columns: 0..<160)
        let result = sketch.tile("result", columns: 160, line: 2)
        let target = sketch.part(result)
        sketch.compute(.tensorCopy, [read], to: target, line: 3)
        let compiled = try Compiler(
            machine: sketch.kernel.machine, options: CompilerOptions(schedule: .source)
        ).compile(sketch.kernel)
        let program = compiled.program
        #expect(program.instructions.map(\.opcode).suffix(2) == [.nop, .tensorCopy])
        #expect(program.instructions.suffix(2).map(waits) == [2, 3])
        #expect(program.instructions[5].engine == .vector)
        #expect(compiled.report.nops == 1)
        #expect(program.waitReasons.map(\.consumer) == [5, 5, 6, 6, 6])
        #expect(OrderProof(program).races == [])
    }

    @Test("a wait that follows from another wait is left out")
    func transitive() throws {
        var sketch = KernelSketch("through", machine: try KernelSketch.machine("trn2"))
        let input = sketch.tensor("input", 128, 64, .input)
        let a = sketch.tile("a", columns: 64, line: 1)
        let b = sketch.tile("b", columns: 64, line: 2)
        let c = sketch.tile("c", columns: 64, line: 3)
        let source = sketch.region(input, rows: 0..<128, columns: 0..<64)
        let (one, two, three) = (sketch.part(a), sketch.part(b), sketch.part(c))
        sketch.copy(source, to: one, line: 4)
        sketch.compute(.activation, [one], to: two, on: .scalar, line: 5)
        // Needs the transfer and the activation, which has waited for the transfer.
        sketch.compute(.tensorTensor, [one, two], to: three, line: 6)
        let program = try compile(sketch)
        #expect(program.instructions.map(waits) == [0, 1, 1])
        #expect(program.waitReasons.last?.producer == 1)
    }

    @Test("every wait has its reason, and every signal somebody who waits")
    func reasons() throws {
        let machine = try KernelSketch.machine("trn2")
        var random = RandomKernel(seed: 7, machine: machine)
        let kernel = random.make(iterations: 6, operations: 8)
        let program = try Compiler(machine: machine).compile(kernel).program
        #expect(program.instructions.reduce(0) { $0 + waits($1) } == program.waitReasons.count)
        let awaited = Set(program.waitReasons.map(\.producer))
        for (index, instruction) in program.instructions.enumerated() {
            let signals = instruction.signal != SemaphoreWait.none
            #expect(signals == awaited.contains(UInt32(index)))
        }
        for reason in program.waitReasons {
            let waits = [
                program.instructions[Int(reason.consumer)].wait0,
                program.instructions[Int(reason.consumer)].wait1,
                program.instructions[Int(reason.consumer)].wait2,
            ]
            #expect(waits[Int(reason.slot)].kind == UInt16(reason.kind.rawValue))
            #expect(
                waits[Int(reason.slot)].semaphore
                    == program.instructions[Int(reason.producer)].signal)
        }
    }

    @Test("loads and stores have rings of their own, and a ring has one engine")
    func rings() throws {
        let machine = try KernelSketch.machine("trn2")
        var random = RandomKernel(seed: 11, machine: machine)
        let kernel = random.make(iterations: 8, operations: 4)
        let program = try Compiler(machine: machine).compile(kernel).program
        var users: [UInt8: Set<String>] = [:]
        for instruction in program.instructions where instruction.opcode.isDMA {
            let isStore = program.patterns[Int(instruction.destination)].space == .hbm
            users[instruction.ring, default: []].insert(
                "\(instruction.engine) \(isStore ? "store" : "load")")
        }
        #expect(users.count > 2)
        for use in users.values { #expect(use.count == 1) }
    }
}
