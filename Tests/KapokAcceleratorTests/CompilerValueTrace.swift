@testable import KapokAccelerator

/// Executes instructions one after the other on hashes instead of numbers: copies copy, everything
/// else mixes what it reads into what it writes. Two orders of a kernel that leave the same hashes
/// compute the same values.
struct ValueTrace {
    /// What the kernel leaves in its output tensors, by name.
    private(set) var outputs: [String: [UInt64]] = [:]
    /// What each computing instruction read, without regard to order.
    private(set) var inputs: [Reading: Int] = [:]

    /// An instruction's operands: its line, and a hash of what it saw.
    struct Reading: Hashable {
        var opcode: Opcode
        var line: UInt32
        var hash: UInt64
    }

    private var cells: [UInt64: UInt64] = [:]
    private let patterns: [AccessPattern]
    private let tensors: [TensorDeclaration]
    private let isRelative: Bool

    /// Marks bytes of tensors.
    private static let tensorBit: UInt64 = 1 << 63

    /// The kernel in its author's order, every tile in memory of its own.
    init(_ kernel: TracedKernel) {
        self.init(
            kernel.instructions, kernel.patterns, kernel.tensors, isRelative: true)
    }

    /// The program in its array's order, in SBUF and PSUM.
    init(_ program: Program) {
        self.init(
            program.instructions, program.patterns, program.tensors, isRelative: false)
    }

    private init(
        _ instructions: [Instruction], _ patterns: [AccessPattern],
        _ tensors: [TensorDeclaration], isRelative: Bool
    ) {
        self.patterns = patterns
        self.tensors = tensors
        self.isRelative = isRelative
        for instruction in instructions { execute(instruction) }
        for (index, tensor) in tensors.enumerated() where tensor.role == .output {
            outputs[tensor.name] = (0..<tensor.byteCount).map {
                value(of: Self.tensorBit | UInt64(index) << 40 | UInt64($0))
            }
        }
    }

    private mutating func execute(_ instruction: Instruction) {
        guard instruction.opcode != .nop else { return }
        let operands = OperandAccesses(instruction)
        if instruction.opcode == .dmaCopy {
            let source = cells(of: patterns[Int(instruction.source0)])
            let target = cells(of: patterns[Int(instruction.destination)])
            let values = source.map { value(of: $0) }
            for (cell, value) in zip(target, values) { cells[cell] = value }
            return
        }
        var hash = Self.mix(UInt64(instruction.opcode.rawValue), UInt64(instruction.line))
        for slot in 0..<operands.count where operands[slot].reads {
            for cell in cells(of: patterns[Int(operands[slot].pattern)]) {
                hash = Self.mix(hash, value(of: cell))
            }
        }
        if instruction.opcode == .loadStationary {
            stationary = hash
            return
        }
        if instruction.opcode == .multiplyMoving { hash = Self.mix(hash, stationary) }
        inputs[
            Reading(opcode: instruction.opcode, line: instruction.line, hash: hash), default: 0] +=
            1
        for slot in 0..<operands.count where operands[slot].writes {
            for (index, cell) in cells(of: patterns[Int(operands[slot].pattern)]).enumerated() {
                cells[cell] = Self.mix(hash, UInt64(index * 4 + slot))
            }
        }
    }

    private var stationary: UInt64 = 0

    private func value(of cell: UInt64) -> UInt64 {
        if let value = cells[cell] { return value }
        // Inputs differ from byte to byte; memory that nobody wrote is recognisable.
        return cell & Self.tensorBit != 0 ? Self.mix(cell, 1) : 0xDEAD
    }

    /// Every byte of a pattern, as a number: its memory, its row, and its place there.
    private func cells(of pattern: AccessPattern) -> [UInt64] {
        let bytes = pattern.type.byteCount
        var offsets = [Int(pattern.offset)]
        for dimension in [
            pattern.dimension0, pattern.dimension1, pattern.dimension2, pattern.dimension3,
        ] where dimension.count > 1 {
            offsets = offsets.flatMap { first in
                (0..<Int(dimension.count)).map { first + $0 * Int(dimension.stride) * bytes }
            }
        }
        var result: [UInt64] = []
        result.reserveCapacity(pattern.totalBytes)
        for row in 0..<Int(pattern.partitionCount) {
            var base: UInt64
            if pattern.space == .hbm {
                base = Self.tensorBit | UInt64(pattern.tensor) << 40
                base += UInt64(row * Int(pattern.partitionStride) * bytes)
            } else {
                let memory = isRelative ? UInt64(pattern.tile) + 2 : UInt64(pattern.space.rawValue)
                base = memory << 40 | UInt64(Int(pattern.partitionStart) + row) << 24
            }
            for offset in offsets {
                for byte in 0..<bytes { result.append(base + UInt64(offset + byte)) }
            }
        }
        return result
    }

    private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var z = (a ^ (b &* 0x9E37_79B9_7F4A_7C15)) &+ 0x632B_E59B_D9B4_E019
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
