import Testing

@testable import KapokAccelerator

@Suite("Checks of a whole program")
struct CheckerProgramTests {
    private static func check(_ instructions: String...) throws -> CheckReport {
        let program = try CheckerText.program(instructions.joined(separator: "\n"))
        return ProgramChecker.check(program, try Machine(.trainium2))
    }

    private static func only(
        _ rule: Diagnostic.Rule, in report: CheckReport
    ) throws -> Diagnostic {
        let found = report.diagnostics.filter { $0.rule != .unwritten }
        #expect(found.count == 1, "\(found.map(\.description))")
        return try #require(found.first { $0.rule == rule })
    }

    // MARK: Races

    @Test(
        "a race names both instructions and lines, the bytes, the tile and the wait that is missing"
    )
    func race() throws {
        let report = try Self.check(
            "sync.dmaCopy a[0:128, 0:512] <- A[0:128, 0:512] signal s6+1",
            "vector.tensorCopy b[0:128, 0:256] <- a[0:128, 256:512]")
        let race = try Self.only(.race, in: report)
        #expect(!report.isProvedRaceFree && report.races == 1)
        #expect(race.severity == .error && race.instruction == 1 && race.line?.line == 2)
        #expect(
            race.problem == """
                tensorCopy #1 (vector) reads tile a: bytes 1024..<2048 of partitions 0..<128 in \
                SBUF, which dmaCopy #0 (sync) may not have written yet
                """)
        #expect(race.related.map(\.instruction) == [0] && race.related[0].line?.line == 1)
        #expect(race.reason.contains("flow dependence"))
        #expect(race.remedy.contains("wait for semaphore 6 (ring 0) to reach 1"))
    }

    @Test("a hoisted buffer, two tiles at one address, is told as such")
    func hoistedBuffer() throws {
        var program = try CheckerText.program(
            "vector.memset a[0:128, 0:512] signal s2+1",
            "sync.dmaCopy C[0:128, 0:512] <- a[0:128, 0:512] wait s2>=1 signal s6+1",
            "vector.memset b[0:128, 0:512]")
        let machine = try Machine(.trainium2)
        #expect(ProgramChecker.check(program, machine).isSound)
        for i in program.patterns.indices where program.patterns[i].tile == 1 {
            program.patterns[i].offset = 0
        }
        program.tiles[1].offset = 0
        let race = try Self.only(.race, in: ProgramChecker.check(program, machine))
        #expect(race.problem.contains("overwrites"))
        #expect(
            race.reason.contains(
                "anti dependence; the bytes belong to tile a first, then to tile b"))
    }

    @Test("what one unit wrote it must wait for before it reads it, but need not to overwrite it")
    func sameUnit() throws {
        let overwrite = try Self.check(
            "vector.memset a[0:128, 0:512]", "vector.memset a[0:128, 0:512]")
        #expect(overwrite.isProvedRaceFree)
        let read = try Self.check(
            "vector.memset a[0:128, 0:512]",
            "vector.tensorCopy b[0:128, 0:512] <- a[0:128, 0:512]")
        #expect(try Self.only(.race, in: read).problem.contains("reads tile a"))
        let waits = try Self.check(
            "vector.memset a[0:128, 0:512] signal s2+1",
            "vector.tensorCopy b[0:128, 0:512] <- a[0:128, 0:512] wait s2>=1")
        #expect(waits.isProvedRaceFree && waits.superfluousWaits == 0)
    }

    @Test("sums in PSUM need no wait among multiplications, but one for whoever wrote there before")
    func accumulation() throws {
        let load = """
            vector.memset a[0:64, 0:8] signal s2+1
            vector.memset b[0:64, 0:512] signal s2+1
            tensor.loadStationary <- a[0:64, 0:8] wait s2>=1 signal s0+1

            """
        let sum = try Self.check(
            load + "tensor.multiplyMoving p[0:8, 0:512] <- b[0:64, 0:512] wait s2>=2",
            "tensor.multiplyMoving p[0:8, 0:512] <- b[0:64, 0:512] accumulate")
        #expect(sum.isProvedRaceFree && sum.isSound)
        let onto = try Self.check(
            "vector.memset p[0:8, 0:512] signal s2+1",
            "sync.dmaCopy a[0:64, 0:512] <- A[0:64, 0:512] signal s6+1",
            "tensor.loadStationary <- a[0:64, 0:8] wait s6>=1",
            "tensor.multiplyMoving p[0:8, 0:512] <- a[0:64, 0:512] accumulate")
        #expect(try Self.only(.race, in: onto).problem.contains("reads tile p"))
    }

    @Test("two transfers of one ring complete in order, yet their data may cross: they need a wait")
    func sameRing() throws {
        let first = "sync.dmaCopy a[0:128, 0:512] <- A[0:128, 0:512] signal s6+1"
        let crossed = try Self.check(first, "sync.dmaCopy a[0:128, 0:512] <- A[128:256, 0:512]")
        #expect(try Self.only(.race, in: crossed).problem.contains("overwrites tile a"))
        let waits = try Self.check(
            first, "sync.dmaCopy a[0:128, 0:512] <- A[128:256, 0:512] wait s6>=1")
        #expect(waits.isProvedRaceFree)
    }

    // MARK: Semaphores

    @Test("queues that wait for each other are told as a cycle, with every instruction in it")
    func deadlock() throws {
        let report = try Self.check(
            "vector.memset a[0:128, 0:512] wait s4>=1 signal s2+1",
            "gpsimd.memset b[0:128, 0:512] wait s2>=2 signal s4+1",
            "vector.memset h[0:128, 0:512] signal s2+1")
        let cycle = try #require(report.diagnostics.first { $0.rule == .deadlock })
        #expect(cycle.severity == .error && cycle.instruction == 0)
        #expect(cycle.problem.contains("waits for itself, around 2 queues"))
        #expect(Set(cycle.related.map(\.instruction)) == [1, 2])
        #expect(cycle.reason.contains("memset #1 (gpsimd) waits for semaphore 2 to reach 2"))
        #expect(cycle.remedy.contains("move what is waited for"))
    }

    @Test("a wait that no signal can satisfy is told with the value that is reached")
    func waitForever() throws {
        let never = try Self.check("vector.memset a[0:1, 0] wait s4>=1")
        #expect(never.diagnostics.contains { $0.reason == "no instruction signals it" })
        let short = try Self.check(
            "gpsimd.memset b[0:1, 0] signal s4+1", "vector.memset a[0:1, 0] wait s4>=2")
        let found = try #require(short.diagnostics.first { $0.rule == .deadlock })
        #expect(found.reason == "all signals together make it 1")
        #expect(found.remedy.contains("wait for at most 1"))
        #expect(!short.isSound && !short.isProvedRaceFree)
    }

    @Test("an instruction that waits for one behind it in its own queue is a deadlock")
    func waitsForItself() throws {
        let report = try Self.check(
            "vector.memset a[0:1, 0] wait s2>=2 signal s2+1", "vector.memset a[0:1, 1] signal s2+1")
        let found = try #require(report.diagnostics.first { $0.rule == .deadlock })
        #expect(found.problem.contains("behind it in its own queue"))
    }

    @Test(
        "waiting for an instruction further down is refused: the program's order could not be run")
    func waitsForLater() throws {
        let report = try Self.check(
            "vector.memset a[0:1, 0] wait s4>=1", "gpsimd.memset b[0:1, 0] signal s4+1")
        let found = try Self.only(.semaphore, in: report)
        #expect(found.problem.contains("stands after it") && found.related[0].instruction == 1)
    }

    @Test("a semaphore that two streams signal is refused, and proves nothing")
    func sharedSemaphore() throws {
        let report = try Self.check(
            "vector.memset a[0:1, 0] signal s2+1", "gpsimd.memset b[0:1, 0] signal s2+1",
            "scalar.tensorCopy a[0:1, 1] <- a[0:1, 0] wait s2>=1")
        #expect(!report.isProvedRaceFree)
        let found = try #require(report.diagnostics.first { $0.rule == .semaphore })
        #expect(found.problem.contains("which vector also signals"))
    }

    @Test("a ring fed by two engines is refused unless waits fix its order")
    func sharedRing() throws {
        let open = try Self.check(
            "sync.dmaCopy a[0:1, 0] <- A[0:1, 0] ring=1 signal s7+1",
            "scalar.dmaCopy b[0:1, 0] <- A[0:1, 0] ring=1 signal s7+1")
        let found = try Self.only(.semaphore, in: open)
        #expect(found.problem.contains("uses DMA ring 1, as does sync"))
        let ordered = try Self.check(
            "sync.dmaCopy a[0:1, 0] <- A[0:1, 0] ring=1 signal s7+1",
            "scalar.dmaCopy b[0:1, 0] <- A[0:1, 0] ring=1 wait s7>=1 signal s7+1")
        #expect(ordered.isSound && ordered.isProvedRaceFree)
    }

    // MARK: Waits

    @Test("a wait that another one implies is noted, and the other is not")
    func superfluous() throws {
        let report = try Self.check(
            "vector.memset a[0:1, 0:4] signal s2+1",
            "gpsimd.tensorCopy a[0:1, 4:8] <- a[0:1, 0:4] wait s2>=1 signal s4+1",
            "scalar.tensorCopy b[0:1, 0:4] <- a[0:1, 4:8] wait s2>=1 wait s4>=1")
        let found = try Self.only(.superfluousWait, in: report)
        #expect(found.severity == .note && found.problem.contains("semaphore 2 to reach 1"))
        #expect(report.superfluousWaits == 1 && report.waits == 3 && report.isProvedRaceFree)
    }

    @Test("waiting for iteration i-1 where i-8 is enough is found; waiting for i-8 is not")
    func falseDependency() throws {
        // Eight buffers: iteration i overwrites the one that iteration i - 8 has stored.
        func program(distance: Int) -> String {
            (0..<24).map { i in
                let buffer = i % 8 * 64
                let wait = i >= 8 ? "wait s6>=\(i + 1 - distance)" : ""
                return """
                    vector.memset a[0:128, \(buffer):\(buffer + 64)] \(wait) signal s2+1
                    sync.dmaCopy C[0:128, \(i * 16) + 16x1] <- a[0:128, \(buffer) + 16x4] \
                    wait s2>=\(i + 1) signal s6+1
                    """
            }.joined(separator: "\n")
        }
        let right = try Self.check(program(distance: 8))
        #expect(right.isProvedRaceFree && right.falseDependencies == 0)
        #expect(right.superfluousWaits == 0)
        let wrong = try Self.check(program(distance: 1))
        #expect(wrong.isProvedRaceFree && wrong.falseDependencies == 16)
        let found = try #require(wrong.diagnostics.first { $0.rule == .falseDependency })
        #expect(found.severity == .warning && found.instruction == 16)
        #expect(found.problem.contains("semaphore 6 to reach 8"))
        #expect(found.remedy == "wait for semaphore 6 to reach 1 only")
        #expect(found.related.map(\.instruction) == [15, 1])
    }

    @Test("a wait that only a later instruction of the queue needs is no false dependency")
    func waitForSuccessor() throws {
        let report = try Self.check(
            "gpsimd.memset a[0:1, 0:4] signal s4+1",
            "vector.memset b[0:1, 0:4] wait s4>=1",
            "vector.tensorCopy b[0:1, 4:8] <- a[0:1, 0:4]")
        #expect(report.isProvedRaceFree && report.falseDependencies == 0)
        let needless = try Self.check(
            "gpsimd.memset a[0:1, 0:4] signal s4+1", "vector.memset b[0:1, 0:4] wait s4>=1")
        let found = try Self.only(.falseDependency, in: needless)
        #expect(found.remedy == "drop this wait")
    }

    @Test("waits of the last nop in a queue, which hold the end of the program, are left alone")
    func finalBarrier() throws {
        let report = try Self.check(
            "gpsimd.memset a[0:1, 0:4] signal s4+1", "sync.nop wait s4>=1")
        #expect(report.falseDependencies == 0 && report.diagnostics.count == 1)
    }

    // MARK: Reads

    @Test("reading what nothing wrote is found to the byte, in SBUF, PSUM and HBM")
    func uninitialised() throws {
        let exact = try Self.check(
            "vector.memset a[0:128, 0 + 64x2] signal s2+1",
            "gpsimd.tensorCopy b[0:128, 0:64] <- a[0:128, 0 + 64x2] wait s2>=1")
        #expect(exact.isSound)
        let beside = try Self.check(
            "vector.memset a[0:128, 0 + 64x2] signal s2+1",
            "gpsimd.tensorCopy b[0:128, 0:64] <- a[0:128, 0:64] wait s2>=1")
        let found = try Self.only(.uninitialised, in: beside)
        #expect(found.problem.contains("reads tile a") && found.line?.line == 2)
        let sum = try Self.check(
            "sync.dmaCopy a[0:64, 0:512] <- A[0:64, 0:512] signal s6+1",
            "tensor.loadStationary <- a[0:64, 0:8] wait s6>=1",
            "tensor.multiplyMoving p[0:8, 0:512] <- a[0:64, 0:512] accumulate")
        #expect(try Self.only(.uninitialised, in: sum).remedy.contains("overwrite"))
        let scratch = try Self.check("sync.dmaCopy a[0:1, 0:4] <- S[0:1, 0:4]")
        #expect(try Self.only(.uninitialised, in: scratch).problem.contains("tensor S"))
    }

    @Test("a tile read after another tile took its bytes is found even when everything is ordered")
    func clobbered() throws {
        var program = try CheckerText.program(
            "vector.memset a[0:128, 0:512] signal s2+1",
            "vector.memset b[0:128, 0:512] signal s2+1",
            "sync.dmaCopy C[0:128, 0:512] <- a[0:128, 0:512] wait s2>=2 signal s6+1")
        for i in program.patterns.indices where program.patterns[i].tile == 1 {
            program.patterns[i].offset = 1024
        }
        program.tiles[1].offset = 1024
        let report = ProgramChecker.check(program, try Machine(.trainium2))
        #expect(report.isProvedRaceFree)
        let found = try Self.only(.clobbered, in: report)
        #expect(found.problem.contains("overwritten as part of tile b"))
        #expect(found.related.map(\.instruction) == [1])
    }

    @Test("outputs that are not written to their last byte get a warning")
    func unwritten() throws {
        let report = try Self.check(
            "sync.dmaCopy C[0:128, 0:511] <- A[0:128, 0:511] signal s6+1")
        let found = try #require(report.diagnostics.first { $0.rule == .unwritten })
        #expect(found.problem == "512 of 262144 bytes of output C are never written")
        let whole = try Self.check("sync.dmaCopy C[0:128, 0:512] <- A[0:128, 0:512]")
        #expect(whole.diagnostics.isEmpty)
    }
}
