import Testing

@testable import KapokAccelerator

@Suite("The kernel language: what a trace records")
struct LanguageTraceTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test("a kernel with a ragged edge: masked tiles, loops, lines and patterns")
    func raggedScale() throws {
        let traced = try TracedKernel.trace("scale", on: machine) { k in
            let x = k.input("x", [200, 64], BFloat16.self)
            let y = k.output("y", [200, 64], BFloat16.self)
            k.loop("rows", over: 200, by: 128) { rows in
                let tile = k.sbuf("tile", [128, 64], BFloat16.self)
                let part = tile.masked(rows)
                k.load(into: part, from: x[rows])
                k.vector.multiply(into: part, part, by: 2)
                k.scalar.store(into: y[rows], from: part)
            }
        }
        #expect(
            traced.instructions.map(\.opcode) == [
                .dmaCopy, .tensorScalar, .dmaCopy, .dmaCopy, .tensorScalar, .dmaCopy,
            ])
        #expect(
            traced.instructions.map(\.engine) == [
                .sync, .vector, .scalar, .sync, .vector, .scalar,
            ])
        #expect(traced.tiles.count == 2)
        let last = traced.instructions[5]
        let read = traced.patterns[Int(last.source0)]
        let written = traced.patterns[Int(last.destination)]
        #expect(read.partitionCount == 72 && read.tile == 1 && read.elementsPerPartition == 64)
        #expect(written.offset == 128 * 64 * 2 && written.partitionStride == 64)
        #expect(traced.loops.map(\.name) == ["rows"])
        #expect(traced.iterationOfInstruction == [0, 0, 0, 1, 1, 1])
        #expect(
            traced.lines[Int(last.line)].file == "KapokAcceleratorTests/LanguageTraceTests.swift")
        #expect(traced.lines[Int(last.line)].line == 21)
    }
}
