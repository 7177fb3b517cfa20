import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("The text form of .kir")
struct KirTextTests {
    @Test("what was printed parses to the same program to the last bit, whatever its fields hold")
    func programRoundTrip() throws {
        var programs = KirPrograms(seed: 11)
        for _ in 0..<400 {
            let program = programs.next()
            let text = KirText.print(program)
            let parsed = try KirText.parse(text)
            #expect(isSameProgram(parsed, program), "\(text)")
            #expect(KirText.print(parsed) == text)
        }
    }

    private static let example = """
        kir 1
        kernel matmul
        machine trn2
        parameter m = 128
        tensor A input bf16 [128, 1024]
        tensor C output fp32 [256, 512]
        tile lhs sbuf bf16 partitions 0+128 bytes 0+2048 uses 0...2 at Kernels/Matmul.swift:12
        tile acc psum fp32 partitions 0+128 bytes 2048+2048 uses 2...3
        loop rows at Kernels/Matmul.swift:10
        iteration rows 0  // #0

        // #0
        sync.dmaCopy lhs[0:128, 0:1024] <- A[0:128, 0:1024] ring=3 signal s9+1 in #0
        tensor.loadStationary <- lhs[0:128, 0:128] wait s9>=1 (flow: flow #0 lhs)
        tensor.multiplyMoving acc[0:128, 0:512] <- lhs[0:128, 512:1024] signal s1+1
        sync.dmaCopy C[128:256, 0 + 4x128 + 128x1] <- sbuf:fp32[0:128, 0 + 512x0] wait s1>=1
        gpsimd.iota acc:int32[0:32, 8 + 2x64 + 4x2] op0=max i0=-0.5 partitionStep=-3 elementStep=2
        vector.tensorScalar acc[0:128, 0] <- acc[0:128, 1:2], _, acc[0:128, 1] i0=inf scalar1

        """

    @Test("a text written by hand means what it says")
    func handWritten() throws {
        let program = try KirText.parse(Self.example)
        #expect(program.name == "matmul" && program.machine == "trn2")
        #expect(program.parameters == [KernelParameter("m", "128")])
        #expect(program.tensors.map(\.shape) == [[128, 1024], [256, 512]])
        #expect(program.lines[Int(program.tiles[0].line)].line == 12)
        #expect(program.iterationOfInstruction == [0] + Array(repeating: .max, count: 5))
        #expect(
            program.waitReasons == [
                WaitReason(consumer: 1, slot: 0, kind: .flow, producer: 0, tile: 0)
            ])
        func pattern(_ index: UInt32) -> AccessPattern { program.patterns[Int(index)] }
        let multiply = program.instructions[2]
        #expect(
            pattern(multiply.source0)
                == AccessPattern(
                    .sbuf, .bf16, partitionCount: 128, offset: 1024, tile: 0,
                    dimensions: [FreeDimension(count: 512, stride: 1)]))
        #expect(pattern(multiply.destination).offset == 2048)
        let store = program.instructions[3]
        #expect(
            pattern(store.destination)
                == AccessPattern(
                    .hbm, .fp32, partitionCount: 128, offset: 128 * 512 * 4, tensor: 1,
                    partitionStride: 512,
                    dimensions: [
                        FreeDimension(count: 4, stride: 128), FreeDimension(count: 128, stride: 1),
                    ]))
        #expect(pattern(store.source0).tile == AccessPattern.noTile)
        #expect(pattern(store.source0).dimension3 == FreeDimension(count: 512, stride: 0))
        let iota = program.instructions[4]
        #expect(Int32(bitPattern: iota.source1) == -3 && iota.source2 == 2)
        #expect(iota.immediate0 == -0.5 && iota.operation0 == ALUOperation.max.rawValue)
        #expect(pattern(iota.destination).offset == 2048 + 8 * 4)
        let scale = program.instructions[5]
        #expect(scale.source1 == Instruction.noPattern)
        #expect(scale.flags == .scalar1)
        #expect(scale.immediate0 == .infinity)
    }

    @Test("the printer writes as a person would: the hand-written text comes out again")
    func printsAsWritten() throws {
        #expect(KirText.print(try KirText.parse(Self.example)) == Self.example)
    }

    @Test("line ends of other systems, tabs and comments make no difference")
    func whiteSpace() throws {
        let windows = Self.example.split(separator: "\n", omittingEmptySubsequences: false)
            .map { "\t" + $0.replacing(" ", with: "  ") + " // comment\r" }.joined(separator: "\n")
        #expect(try KirText.parse(windows) == KirText.parse(Self.example))
    }

    @Test("faults are told with line, column and what to write instead")
    func faults() {
        let faults: [(text: String, line: Int, column: Int, says: String)] = [
            ("kirr 1", 1, 5, "kir 1"),
            ("kir 2", 1, 4, "version 2"),
            ("kir 1\nkernel k", 2, 9, "does not name its kernel and its machine"),
            ("kir 1\n\nvector.tensorCpy", 3, 1, "\"tensorCpy\" is not an opcode"),
            ("kir 1\nvektor.tensorCopy", 2, 1, "neither a directive nor an instruction"),
            ("kir 1\nvector.tensorCopy a[0:1, 0]", 2, 19, "no tile named a"),
            ("kir 1\ntile a sbuf fp33", 2, 12, "\"fp33\" is not an element type"),
            ("kir 1\nsync.nop wait s1>=1 wait s2>=1 wait s3>=1 wait s4>=1", 2, 47, "three waits"),
            ("kir 1\nsync.nop wait s1=>1", 2, 17, ">= is expected here, not \"=>1\""),
            ("kir 1\nsync.nop ring=256", 2, 15, "out of range"),
            ("kir 1\nsync.nop signal s70000+1", 2, 18, "out of range"),
            ("kir 1\nsync.nop fast", 2, 10, "\"fast\" is no attribute of nop"),
            ("kir 1\nsync.nop i0=1.2.3", 2, 13, "floating-point number"),
            ("kir 1\nkernel \"abc", 2, 8, "does not end on its line"),
            ("kir 1\nkernel \"\\q\"", 2, 10, "no such escape"),
            ("kir 1\ntensor t input fp32 [4]\ntensor t input fp32 [4]", 3, 7, "already a tensor"),
            ("kir 1\ntensor t input fp32 [0]", 2, 7, "shape"),
            ("kir 1\nvector.memset sbuf:fp32[0:0, 0:4]", 2, 25, "no partitions"),
            ("kir 1\nvector.memset sbuf:fp32[0:1, 4:4]", 2, 29, "no elements"),
            ("kir 1\nvector.memset sbuf[0:1, 4:4]", 2, 19, "an element type"),
            ("kir 1\nsync.nop at #3", 2, 14, "no source line #3"),
            ("kir 1\nkernel k\nmachine m\nreason #4 wait0 flow #0", 4, 9, "no instruction #4"),
        ]
        for fault in faults {
            let error = #expect(throws: KirError.self, "\(fault.text)") {
                try KirText.parse(fault.text)
            }
            #expect(
                error?.place == .text(line: fault.line, column: fault.column),
                "\(fault.text): \(String(describing: error))")
            #expect(error?.problem.contains(fault.says) == true, "\(String(describing: error))")
            #expect(error?.remedy.isEmpty == false)
        }
    }

    @Test("several tiles of one name are told apart by their number, and mixing them up is refused")
    func ambiguousNames() throws {
        let head = "kir 1\nkernel k\nmachine m\n"
        let tile = "tile a sbuf fp32 partitions 0+1 bytes 0+4 uses 0...0\n"
        let tile2 = "tile a sbuf fp32 partitions 0+1 bytes 64+4 uses 0...0\n"
        let error = #expect(throws: KirError.self) {
            try KirText.parse(head + tile + tile2 + "vector.memset a[0:1, 0]")
        }
        #expect(error?.remedy.contains("a#0") == true)
        let program = try KirText.parse(head + tile + tile2 + "vector.memset a#1[0:1, 0]")
        #expect(program.patterns[0].tile == 1 && program.patterns[0].offset == 64)
        let mixed = #expect(throws: KirError.self) {
            try KirText.parse(head + tile + "vector.memset b#0[0:1, 0]")
        }
        #expect(mixed?.problem == "tile #0 is not named b")
    }

    @Test("mutated texts are refused with a place inside of them, or give well-formed programs")
    func mutations() throws {
        var programs = KirPrograms(seed: 12)
        var random = RandomStream(seed: 13)
        var accepted = 0
        for _ in 0..<1500 {
            var bytes = Array(KirText.print(programs.next(size: 4)).utf8)
            for _ in 0...random.below(2) {
                let place = random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[place] = UInt8(random.below(128))
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[random.below(place + 1)...place], at: place)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                let program = try KirText.parse(text)
                accepted += 1
                #expect(ProgramStructure(program).firstProblem() == nil)
                #expect(isSameProgram(try KirText.parse(KirText.print(program)), program))
            } catch {
                guard case .text(let line, let column) = error.place else {
                    Issue.record("\(error) has no place in \(text)")
                    continue
                }
                let lines = text.utf8.split(separator: 10, omittingEmptySubsequences: false)
                try #require(line >= 1 && line <= lines.count)
                #expect(column >= 1 && column <= lines[line - 1].count + 1)
            }
        }
        #expect(accepted > 100 && accepted < 1400)
    }
}
