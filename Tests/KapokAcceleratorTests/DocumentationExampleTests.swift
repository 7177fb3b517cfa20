import KapokAccelerator
import Testing

/// The example of docs/accelerator.md, by its public names only.
@Suite("The documentation's example")
struct DocumentationExampleTests {
    @Test("compiles, is free of races, doubles its input and has a profile that closes")
    func scale() throws {
        let machine = try Machine(.trainium2)
        let traced = try TracedKernel.trace("scale", on: machine) { k in
            let x = k.input("x", [1024, 512], BFloat16.self)
            let y = k.output("y", [1024, 512], BFloat16.self)
            k.loop("rows", over: 1024, by: 128) { row in
                let tile = k.sbuf("tile", [row.count, 512], BFloat16.self)
                let scaled = k.sbuf("scaled", [row.count, 512], BFloat16.self)
                k.load(into: tile, from: x[row])
                k.vector.multiply(into: scaled, tile, by: .value(2))
                k.scalar.store(into: y[row], from: scaled)
            }
        }
        let compiled = try Compiler(machine: machine).compile(traced)
        let profile = try Profiler(machine: machine).profile(compiled.program)

        #expect(TerminalReport.text(profile).contains("scale on trn2"))
        #expect(ProgramChecker.check(compiled.program, machine).isProvedRaceFree)
        for unit in profile.units {
            #expect(unit.busy + unit.stalled.reduce(0, +) == profile.timeline.makespan)
        }
        var executor = try Executor(program: compiled.program, machine: machine)
        let input = (0..<1024 * 512).map { Float($0 % 251) - 125 }
        try executor.setInput("x", values: input)
        try executor.run()
        #expect(try executor.values(of: "y") == input.map { 2 * $0 })
    }
}
