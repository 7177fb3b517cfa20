import Glibc
import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Values: the executor against a slow, obvious one")
struct ValuesReferenceTests {
    private static let opcodes = Opcode.allCases.filter { $0 != .loadStationary }

    @Test(
        "every opcode gives the reference's bits, on random operands of all types",
        arguments: opcodes)
    func oneOpcode(opcode: Opcode) throws {
        var random = ValuesRandomProgram(seed: UInt64(opcode.rawValue) + 100)
        for _ in 0..<40 { random.add(opcode) }
        try Self.compare(random.builder.program, on: .fastest)
    }

    @Test(
        "mixed programs give the same bits with each of the host's instruction sets",
        arguments: InstructionSet.allCases.filter(\.isSupported))
    func mixed(instructionSet: InstructionSet) throws {
        var random = ValuesRandomProgram(seed: 7)
        for _ in 0..<200 {
            random.add(Self.opcodes[random.random.below(Self.opcodes.count)])
        }
        try Self.compare(random.builder.program, on: instructionSet)
    }

    /// Runs both from the same random memory, and compares all of it after every instruction.
    private static func compare(_ program: Program, on instructionSet: InstructionSet) throws {
        let machine = try ValuesRandomProgram.machine()
        var options = ExecutionOptions()
        options.seed = 3
        options.instructionSet = instructionSet
        var executor = try Executor(program: program, machine: machine, options: options)
        var reference = ValuesReference(program: program, machine: machine, seed: 3)
        fill(&reference)
        executor.setMemory(as: reference)
        for index in program.instructions.indices {
            try executor.run(index..<index + 1)
            reference.step(index)
            let isEqual = executor.memoryEquals(reference)
            #expect(isEqual, "instruction \(index): \(program.instructions[index])")
            if !isEqual { return }
        }
    }

    /// Half of all bytes are those of moderate FP32 numbers, the others anything.
    private static func fill(_ reference: inout ValuesReference) {
        var stream = RandomStream(seed: 11)
        func bytes(_ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count {
                var word = UInt32(truncatingIfNeeded: stream.next())
                if stream.chance(1, in: 2) { word = word & 0x83FF_FFFF | 0x3C00_0000 }
                for shift in [0, 8, 16, 24] {
                    bytes.append(UInt8(truncatingIfNeeded: word >> shift))
                }
            }
            return Array(bytes.prefix(count))
        }
        reference.sbuf = bytes(reference.sbuf.count)
        reference.psum = bytes(reference.psum.count)
        reference.tensors = reference.tensors.map { bytes($0.count) }
    }
}

extension Executor {
    /// Copies the reference's memory.
    mutating func setMemory(as reference: borrowing ValuesReference) {
        forEachPiece(of: reference) { memcpy($0, $1, $2) == $0 }
    }

    /// Whether all memory is as the reference's.
    func memoryEquals(_ reference: borrowing ValuesReference) -> Bool {
        forEachPiece(of: reference) { memcmp($0, $1, $2) == 0 }
    }

    /// Calls `body` with each partition and tensor here and there and its size, until it returns
    /// false.
    @discardableResult
    private func forEachPiece(
        of reference: borrowing ValuesReference,
        _ body: (UnsafeMutableRawPointer, UnsafeRawPointer, Int) -> Bool
    ) -> Bool {
        func partitions(
            _ bytes: [UInt8], _ base: UnsafeMutableRawPointer, _ pitch: Int
        ) -> Bool {
            let size = bytes.count / machine.partitions
            return bytes.withUnsafeBytes { buffer in
                guard let start = buffer.baseAddress else { return true }
                return (0..<machine.partitions).allSatisfy { partition in
                    body(base + partition * pitch, start + partition * size, size)
                }
            }
        }
        return partitions(reference.sbuf, memory.sbuf, memory.sbufPitch)
            && partitions(reference.psum, memory.psum, memory.psumPitch)
            && reference.tensors.indices.allSatisfy { tensor in
                reference.tensors[tensor].withUnsafeBytes { buffer in
                    guard let start = buffer.baseAddress else { return true }
                    return body(memory.hbm + memory.tensorOffsets[tensor], start, buffer.count)
                }
            }
    }
}
