import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("The .kir file format")
struct KirFileTests {
    @Test("what was written is read back to the last bit, for programs that vary every field")
    func roundTrip() throws {
        var programs = KirPrograms(seed: 1)
        for _ in 0..<300 {
            let program = programs.next()
            let bytes = KirFile.encode(program)
            #expect(isSameProgram(try KirFile.decode(bytes), program))
        }
    }

    @Test("an empty program has the size of the fixed parts and four records")
    func emptyProgram() throws {
        let program = Program(name: "k", machine: "trn2")
        let bytes = KirFile.encode(program)
        #expect(try KirFile.decode(bytes) == program)
        // Header, 14 sections, kernel names, the unknown source line, three strings (k, trn2, "").
        #expect(bytes.count == 32 + 14 * 32 + 8 + 16 + 16 + 5)
    }

    @Test("the bytes of an instruction stand where the format says")
    func instructionRecord() {
        var program = Program(name: "k", machine: "trn2")
        var one = Instruction(.dmaTranspose, on: .gpsimd)
        one.flags = InstructionFlags(rawValue: 0x0201)
        one.immediate0 = 1
        one.ring = 7
        one.wait1 = SemaphoreWait(semaphore: 0x0506, value: 0x0102_0304, kind: .anti)
        one.signal = 9
        one.signalAmount = 1
        program.instructions = [one]
        let bytes = KirFile.encode(program)
        let start = 32 + 14 * 32 + 8
        let none: [UInt8] = [255, 255, 255, 255]
        let noWait: [UInt8] = [255, 255, 0, 0, 0, 0, 0, 0]
        let expected: [UInt8] =
            [33, 3, 1, 2] + none + none + none + none + [0, 0, 0x80, 0x3F, 0, 0, 0, 0]
            + [0, 0, 7, 0, 0, 0, 0, 0] + noWait + [6, 5, 2, 0, 4, 3, 2, 1] + noWait + [9, 0, 1, 0]
        #expect(Array(bytes[start..<start + 64]) == expected)
    }

    @Test("another version is refused by its number, with what to do about it")
    func unknownVersion() {
        var bytes = KirFile.encode(Program(name: "k", machine: "trn2"))
        bytes[8] = 9
        let error = #expect(throws: KirError.self) { try KirFile.decode(bytes) }
        #expect(error?.kind == .unknownVersion)
        #expect(error?.problem.contains("version 9") == true)
        #expect(error?.remedy.contains("newer Kapok") == true)
    }

    @Test("every byte counts: no changed byte goes unnoticed")
    func everyByteIsChecked() {
        var programs = KirPrograms(seed: 2)
        let bytes = KirFile.encode(programs.next(size: 6))
        for i in bytes.indices {
            var changed = bytes
            changed[i] ^= 1 << UInt8(i % 8)
            #expect(throws: KirError.self, "byte \(i)") { try KirFile.decode(changed) }
        }
    }

    @Test("a file cut off anywhere, or with bytes behind its end, is refused")
    func wrongLength() {
        var programs = KirPrograms(seed: 3)
        let bytes = KirFile.encode(programs.next(size: 6))
        for count in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: KirError.self) { try KirFile.decode(Array(bytes.prefix(count))) }
        }
        #expect(throws: KirError.self) { try KirFile.decode(bytes + [0]) }
    }

    @Test("mutated files with mended checksums are refused or give well-formed programs")
    func mutations() throws {
        var programs = KirPrograms(seed: 4)
        var random = RandomStream(seed: 5)
        var accepted = 0
        for _ in 0..<400 {
            var bytes = KirFile.encode(programs.next(size: 5))
            for _ in 0...random.below(3) {
                let values: [UInt8] = [0, 1, 127, 128, 255, UInt8(random.below(256))]
                bytes[32 + random.below(bytes.count - 32)] = values[random.below(values.count)]
            }
            mendChecksums(&bytes)
            guard let program = try? KirFile.decode(bytes) else { continue }
            accepted += 1
            #expect(ProgramStructure(program).firstProblem() == nil)
            #expect(isSameProgram(try KirFile.decode(KirFile.encode(program)), program))
        }
        #expect(accepted > 20 && accepted < 380)
    }

    @Test("malformed tables are refused with the table, the entry and the fault")
    func structuralFaults() {
        let faults: [(String, (inout Program) -> Void)] = [
            ("pattern", { $0.instructions[0].source0 = 1 }),
            ("source line", { $0.instructions[0].line = 5 }),
            ("reserved", { $0.instructions[0].flags = InstructionFlags(rawValue: 1024) }),
            ("no semaphore", { $0.instructions[0].signalAmount = 1 }),
            ("unknown kind", { $0.instructions[0].wait2.value = 1 }),
            (
                "no tensor 3",
                {
                    $0.patterns[0].space = .hbm; $0.patterns[0].tensor = 3
                }
            ),
            ("no elements", { $0.patterns[0].dimension1.count = 0 }),
            (
                "too long",
                {
                    $0.patterns[0].dimension1.count = .max; $0.patterns[0].dimension2.count = 2
                }
            ),
            ("offset", { $0.patterns[0].offset = .max }),
            ("no partition", { $0.patterns[0].partitionCount = 0 }),
            ("row stride", { $0.patterns[0].partitionStride = 1 }),
            ("tile 0", { $0.patterns[0].tile = 0 }),
            ("unknown one", { $0.lines = [] }),
            ("entries for", { $0.iterationOfInstruction = [0, 0] }),
            (
                "two tensors",
                {
                    let tensor = TensorDeclaration(name: "t", shape: [1], type: .fp32, role: .input)
                    $0.tensors = [tensor, tensor]
                }
            ),
            (
                "its shape",
                {
                    $0.tensors = [
                        TensorDeclaration(
                            name: "t", shape: [1 << 40, 1 << 40], type: .fp32, role: .input)
                    ]
                }
            ),
        ]
        for (text, break_) in faults {
            var program = Program(name: "k", machine: "trn2")
            program.instructions = [Instruction(.nop, on: .sync)]
            program.patterns = [AccessPattern(.sbuf, .fp32, partitionCount: 1, dimensions: [])]
            break_(&program)
            let error = #expect(throws: KirError.self, "\(text)") {
                try KirFile.decode(KirFile.encode(program))
            }
            #expect(error?.problem.contains(text) == true, "\(String(describing: error))")
        }
    }

    /// Recomputes the checksums of all sections that still lie in the file, and of the table.
    private func mendChecksums(_ bytes: inout [UInt8]) {
        func put(_ value: UInt32, at offset: Int) {
            for k in 0..<4 { bytes[offset + k] = UInt8(truncatingIfNeeded: value >> (8 * k)) }
        }
        func get(_ offset: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
        }
        func checksum(_ range: Range<Int>) -> UInt32 {
            bytes.withUnsafeBytes { kirChecksum(UnsafeRawBufferPointer(rebasing: $0[range])) }
        }
        for entry in 0..<14 {
            let place = 32 + entry * 32
            let size = get(place + 4, 4).multipliedReportingOverflow(by: get(place + 16, 8))
            let start = get(place + 8, 8)
            guard !size.overflow, start <= UInt64(bytes.count),
                size.partialValue <= UInt64(bytes.count) - start
            else { continue }
            put(checksum(Int(start)..<Int(start + size.partialValue)), at: place + 24)
        }
        put(checksum(32..<480), at: 24)
    }
}
