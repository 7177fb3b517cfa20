import Testing

@testable import KapokAccelerator

@Suite("Compiler: memory")
struct CompilerMemoryTests {
    private func refusal(
        _ sketch: KernelSketch, allowsSpilling: Bool = true
    ) -> CompilerError? {
        do {
            _ = try Compiler(
                machine: sketch.kernel.machine,
                options: CompilerOptions(schedule: .source, allowsSpilling: allowsSpilling)
            ).compile(sketch.kernel)
            return nil
        } catch {
            return error
        }
    }

    private func inAuthorsOrder(_ sketch: KernelSketch) throws -> CompiledKernel {
        try Compiler(machine: sketch.kernel.machine, options: CompilerOptions(schedule: .source))
            .compile(sketch.kernel)
    }

    /// `count` tiles of `columns` FP32 that are all filled before all of them are read; four rows
    /// of each.
    private func crowd(_ count: Int, columns: Int, sbuf: Int, computed: Bool = false) throws
        -> KernelSketch
    {
        var sketch = KernelSketch("crowd", machine: try KernelSketch.smallMachine(sbuf: sbuf))
        let input = sketch.tensor("input", 4, count * columns, .input)
        let output = sketch.tensor("output", 4, count * columns, .output)
        var tiles: [UInt32] = []
        for index in 0..<count {
            let tile = sketch.tile("crowded", columns: columns, line: 10)
            let whole = sketch.part(tile, partitions: 0..<4)
            let place = index * columns..<(index + 1) * columns
            let source = sketch.region(input, rows: 0..<4, columns: place)
            sketch.copy(source, to: whole, line: 11)
            if computed { sketch.compute(.activation, [whole], to: whole, on: .scalar, line: 12) }
            tiles.append(whole)
        }
        for (index, whole) in tiles.enumerated() {
            let place = index * columns..<(index + 1) * columns
            let target = sketch.region(output, rows: 0..<4, columns: place)
            sketch.copy(whole, to: target, line: 13)
        }
        return sketch
    }

    @Test("clean tiles that do not fit are loaded again, and nothing is stored for them")
    func reload() throws {
        let sketch = try crowd(8, columns: 256, sbuf: 4096)
        let compiled = try inAuthorsOrder(sketch)
        #expect(compiled.report.spilledBytes == 0)
        // Four of eight fit; Belady keeps three of the first ones until their use.
        #expect(compiled.report.reloadedBytes == 4 * 4 * 1024)
        #expect(compiled.program.tensors.count == 2)
        #expect(compiled.program.tiles.map(\.name) == Array(repeating: "crowded", count: 12))
    }

    @Test("computed tiles that do not fit are stored to scratch space once and loaded again")
    func spill() throws {
        let sketch = try crowd(8, columns: 256, sbuf: 4096, computed: true)
        let compiled = try inAuthorsOrder(sketch)
        let program = compiled.program
        #expect(compiled.report.spilledBytes == 4 * 4 * 1024)
        #expect(compiled.report.reloadedBytes == 4 * 4 * 1024)
        let scratch = program.tensors.filter { $0.role == .scratch }
        #expect(scratch.map(\.name) == ["spill crowded"])
        #expect(scratch.map(\.shape) == [[4 * 128, 256]])
        let expected = ValueTrace(sketch.kernel).outputs
        #expect(ValueTrace(program).outputs == expected)
    }

    @Test("without spilling, the error names the tiles alive, the largest first")
    func forbidden() throws {
        let sketch = try crowd(8, columns: 256, sbuf: 4096)
        let error = try #require(refusal(sketch, allowsSpilling: false))
        #expect(error.kind == .outOfSBUF)
        #expect(error.line == SourceLine(file: "Kernel.swift", line: 11))
        #expect(
            error.description == "Kernel.swift:11: out of SBUF: 8 tiles of 8192 bytes a partition "
                + "are alive here, SBUF has 4096: 8 x crowded (1024 bytes, Kernel.swift:10). "
                + "Make tiles smaller or their lives shorter, or allow spilling")
    }

    @Test("an instruction whose operands do not fit is an error with its line")
    func tooLarge() throws {
        var sketch = KernelSketch("large", machine: try KernelSketch.smallMachine(sbuf: 4096))
        let a = sketch.tile("a", columns: 600, line: 1)
        let b = sketch.tile("b", columns: 600, line: 2)
        let (first, second) = (sketch.part(a), sketch.part(b))
        sketch.compute(.memset, [], to: first, line: 3)
        sketch.compute(.tensorCopy, [first], to: second, line: 4)
        let error = try #require(refusal(sketch))
        #expect(error.kind == .outOfSBUF)
        #expect(error.line?.line == 4)
        #expect(error.problem.contains("one tensorCopy take 4800 bytes"))
    }

    @Test("tiles of many sizes share memory in pieces when buffers of each size do not fit")
    func mixedSizes() throws {
        let machine = try KernelSketch.smallMachine(sbuf: 4096)
        var sketch = KernelSketch("mixed", machine: machine)
        let output = sketch.tensor("output", 4, 4096, .output)
        let sizes = [500, 440, 380, 320, 260, 200]
        var previous = sketch.tile("first", columns: 500, line: 1)
        let kept = sketch.tile("kept", columns: 60, line: 2)
        let keptPart = sketch.part(kept, partitions: 0..<4)
        sketch.compute(.memset, [], to: keptPart, line: 3)
        let start = sketch.part(previous, partitions: 0..<4)
        sketch.compute(.memset, [], to: start, line: 3)
        for (index, size) in sizes.enumerated() {
            let next = sketch.tile("next", columns: size, line: 4)
            let source = sketch.part(previous, columns: 0..<size, partitions: 0..<4)
            let target = sketch.part(next, partitions: 0..<4)
            sketch.compute(.tensorCopy, [source], to: target, line: 5)
            let place = sketch.region(output, rows: 0..<4, columns: index..<index + size)
            sketch.copy(target, to: place, line: 6)
            previous = next
        }
        let last = sketch.region(output, rows: 0..<4, columns: 4000..<4060)
        sketch.copy(keptPart, to: last, line: 7)
        let compiled = try Compiler(machine: machine).compile(sketch.kernel)
        #expect(OrderProof(compiled.program).races == [])
        #expect(ValueTrace(compiled.program).outputs == ValueTrace(sketch.kernel).outputs)
        for tile in compiled.program.tiles {
            #expect(tile.offset + tile.bytesPerPartition <= 4096)
        }
    }

    /// In other orders, the first bytes of a tile may take the place of bytes of another one that
    /// are no longer needed, while the rest of that is.
    @Test("tiles alive at the same time lie apart; banks and partition starts are legal")
    func places() throws {
        for seed in 0..<20 {
            let machine = try KernelSketch.smallMachine(sbuf: 1024)
            var random = RandomKernel(seed: UInt64(seed), machine: machine, columns: 32)
            let kernel = random.make(iterations: 3, operations: 6)
            let options = CompilerOptions(schedule: .source)
            let compiled = try Compiler(machine: machine, options: options).compile(kernel)
            let tiles = compiled.program.tiles
            for (index, tile) in tiles.enumerated() {
                let end = tile.offset + tile.bytesPerPartition
                let capacity =
                    tile.space == .psum
                    ? machine.psumBytesPerPartition : machine.sbufBytesPerPartition
                #expect(end <= capacity)
                #expect(tile.partitionStart % 32 == 0 && tile.partitionStart < 128)
                if tile.space == .psum { #expect(tile.offset / 2048 == (end - 1) / 2048) }
                for other in tiles[..<index] where other.space == tile.space {
                    let meet = other.firstUse <= tile.lastUse && tile.firstUse <= other.lastUse
                    let overlap =
                        other.offset < end
                        && tile.offset < other.offset + other.bytesPerPartition
                        && other.partitionStart < tile.partitionStart + tile.partitionCount
                        && tile.partitionStart < other.partitionStart + other.partitionCount
                    #expect(!(meet && overlap), "\(tile.name) over \(other.name)")
                }
            }
        }
    }

    @Test("small tiles are stacked in partitions before anything is spilled")
    func stacked() throws {
        let machine = try KernelSketch.smallMachine(sbuf: 1024)
        var sketch = KernelSketch("rows", machine: machine)
        let input = sketch.tensor("input", 32, 4 * 256, .input)
        let output = sketch.tensor("output", 32, 4 * 256, .output)
        var parts: [UInt32] = []
        for index in 0..<4 {
            let tile = sketch.tile("row", partitions: 32, columns: 256, line: 1)
            let whole = sketch.part(tile)
            let source = sketch.region(
                input, rows: 0..<32, columns: index * 256..<(index + 1) * 256)
            sketch.copy(source, to: whole, line: 2)
            parts.append(whole)
        }
        for (index, whole) in parts.enumerated() {
            let target = sketch.region(
                output, rows: 0..<32, columns: index * 256..<(index + 1) * 256)
            sketch.copy(whole, to: target, line: 3)
        }
        let compiled = try Compiler(machine: machine).compile(sketch.kernel)
        #expect(compiled.report.reloadedBytes == 0)
        #expect(compiled.program.tiles.map(\.partitionStart) == [0, 32, 64, 96])
        #expect(compiled.program.tiles.map(\.offset) == [0, 0, 0, 0])
    }

    @Test("PSUM tiles in use together lie in different banks")
    func banks() throws {
        let machine = try KernelSketch.machine("trn2")
        var sketch = KernelSketch("banks", machine: machine)
        let tile = sketch.tile("operand", columns: 128, line: 1)
        let operand = sketch.part(tile)
        sketch.compute(.memset, [], to: operand, line: 2)
        for _ in 0..<16 {
            let psum = sketch.tile("sum", .psum, columns: 128, line: 3)
            let target = sketch.part(psum)
            sketch.multiply(operand, operand, to: target, accumulate: false, line: 4)
            sketch.compute(.tensorCopy, [target], to: operand, line: 5)
        }
        let compiled = try Compiler(machine: machine).compile(sketch.kernel)
        let banks = compiled.program.tiles.filter { $0.space == .psum }.map { $0.offset / 2048 }
        #expect(Set(banks) == Set(0..<8))
        for (bank, next) in zip(banks, banks.dropFirst()) { #expect(bank != next) }
    }

    @Test("a multiplication across the border of a PSUM bank is an error")
    func crossing() throws {
        var sketch = KernelSketch("cross", machine: try KernelSketch.machine("trn2"))
        let tile = sketch.tile("operand", columns: 512, line: 1)
        let operand = sketch.part(tile)
        sketch.compute(.memset, [], to: operand, line: 2)
        let psum = sketch.tile("sum", .psum, columns: 1024, line: 3)
        let target = sketch.part(psum, columns: 256..<768)
        let stationary = sketch.part(tile, columns: 0..<128)
        sketch.multiply(stationary, operand, to: target, accumulate: false, line: 4)
        let error = try #require(refusal(sketch))
        #expect(error.kind == .crossesBank)
        #expect(error.line?.line == 4)
    }

    @Test("too many PSUM tiles at a time are an error that names them")
    func psumOverflow() throws {
        var sketch = KernelSketch("sums", machine: try KernelSketch.machine("trn2"))
        let tile = sketch.tile("operand", columns: 512, line: 1)
        let (operand, stationary) = (sketch.part(tile), sketch.part(tile, columns: 0..<128))
        sketch.compute(.memset, [], to: operand, line: 2)
        var sums: [UInt32] = []
        for _ in 0..<9 {
            let psum = sketch.tile("sum", .psum, columns: 512, line: 3)
            let target = sketch.part(psum)
            sketch.multiply(stationary, operand, to: target, accumulate: false, line: 4)
            sums.append(target)
        }
        for sum in sums { sketch.compute(.tensorCopy, [sum], to: operand, line: 5) }
        let error = try #require(refusal(sketch))
        #expect(error.kind == .outOfPSUM)
        #expect(error.problem.contains("9 x sum (2048 bytes, Kernel.swift:3)"))
    }

    @Test("a tile that is read before it is written is an error with the reader's line")
    func uninitialised() throws {
        var sketch = KernelSketch("early", machine: try KernelSketch.machine("trn2"))
        let a = sketch.tile("a", columns: 8, line: 1)
        let b = sketch.tile("b", columns: 8, line: 2)
        let (source, target) = (sketch.part(a), sketch.part(b))
        sketch.compute(.tensorCopy, [source], to: target, line: 3)
        let error = try #require(refusal(sketch))
        #expect(error.kind == .uninitialisedRead)
        #expect(error.line?.line == 3)
    }

    @Test("records that contradict themselves are refused, not followed")
    func malformed() throws {
        var sketch = KernelSketch("sound", machine: try KernelSketch.machine("trn2"))
        let a = sketch.tile("a", columns: 8, line: 1)
        let whole = sketch.part(a)
        sketch.loop("once", 1, line: 2) { sketch, _ in
            sketch.compute(.memset, [], to: whole, line: 3)
            sketch.compute(.tensorCopy, [whole], to: whole, line: 4)
        }
        #expect(refusal(sketch) == nil)
        func kind(_ damage: (inout TracedKernel) -> Void) -> CompilerError.Kind? {
            var copy = sketch
            damage(&copy.kernel)
            return refusal(copy)?.kind
        }
        #expect(kind { $0.instructions[1].source0 = 77 } == .malformedKernel)
        #expect(kind { $0.instructions[1].source0 = Instruction.noPattern } == .malformedKernel)
        #expect(kind { $0.instructions[1].destination = Instruction.noPattern } == .malformedKernel)
        #expect(kind { $0.patterns[0].tile = 5 } == .malformedKernel)
        #expect(kind { $0.patterns[0].offset = 4 } == .malformedKernel)
        #expect(kind { $0.patterns[0].partitionCount = 129 } == .malformedKernel)
        #expect(kind { $0.patterns[0].space = .hbm } == .malformedKernel)
        #expect(kind { $0.iterations[0].loop = 9 } == .malformedKernel)
        #expect(kind { $0.iterations[0].parent = 0 } == .malformedKernel)
        #expect(kind { $0.tiles[0].freeShape = [1 << 20] } == .outOfSBUF)
        #expect(
            kind {
                $0.instructions[1].opcode = .dmaCopy
                $0.instructions[1].engine = .vector
            } == .malformedKernel)
    }
}
