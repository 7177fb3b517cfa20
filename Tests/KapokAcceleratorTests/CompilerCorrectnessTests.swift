import KapokAccelerator
import Testing

@Suite("Compiler: every order computes the same")
struct CompilerCorrectnessTests {
    private static let schedules = CompilerOptions.Schedule.allCases

    @discardableResult
    private func check(
        _ kernel: TracedKernel, _ schedule: CompilerOptions.Schedule
    ) throws -> CompilationReport {
        let machine = kernel.machine
        let compiled = try Compiler(
            machine: machine, options: CompilerOptions(schedule: schedule, maximumCandidates: 8)
        )
        .compile(kernel)
        let proof = OrderProof(compiled.program)
        #expect(proof.races == [], "\(kernel.name), \(compiled.report.schedule)")
        #expect(proof.needlessWaits == [], "\(kernel.name), \(compiled.report.schedule)")
        let check = ProgramChecker.check(compiled.program, machine)
        #expect(check.isSound && check.isProvedRaceFree, "\(check.diagnostics)")
        #expect(check.superfluousWaits == 0, "\(check.diagnostics)")
        let expected = ValueTrace(kernel)
        let got = ValueTrace(compiled.program)
        #expect(got.outputs == expected.outputs, "\(kernel.name), \(compiled.report.schedule)")
        #expect(got.inputs == expected.inputs, "\(kernel.name), \(compiled.report.schedule)")
        return compiled.report
    }

    @Test("random kernels keep their values and have no race", arguments: schedules)
    func random(schedule: CompilerOptions.Schedule) throws {
        let machine = try KernelSketch.machine("trn2")
        for seed in 0..<12 {
            var random = RandomKernel(seed: UInt64(seed), machine: machine)
            try check(random.make(iterations: 4, operations: 6), schedule)
        }
    }

    @Test("random kernels that do not fit into SBUF keep their values", arguments: schedules)
    func tight(schedule: CompilerOptions.Schedule) throws {
        let machine = try KernelSketch.smallMachine(sbuf: 1024)
        var spilled: Int64 = 0
        var reloaded: Int64 = 0
        for seed in 100..<108 {
            var random = RandomKernel(
                seed: UInt64(seed), machine: machine, columns: 64, isTall: true)
            let report = try check(random.make(iterations: 4, operations: 6), schedule)
            spilled += report.spilledBytes
            reloaded += report.reloadedBytes
        }
        #expect(spilled > 0)
        #expect(reloaded > spilled)
    }

    @Test("no schedule is slower than the author's order")
    func neverSlower() throws {
        let machine = try KernelSketch.machine("trn2")
        for seed in 200..<216 {
            var random = RandomKernel(seed: UInt64(seed), machine: machine)
            let kernel = random.make(iterations: 6, operations: 8)
            let source = try Compiler(machine: machine, options: CompilerOptions(schedule: .source))
                .compile(kernel)
            let best = try Compiler(machine: machine).compile(kernel)
            #expect(best.report.makespan <= source.report.makespan)
            let simulated = try Simulator(machine: machine).makespan(of: best.program)
            #expect(best.report.makespan == simulated)
        }
    }
}
