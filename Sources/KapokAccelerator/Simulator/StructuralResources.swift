/// Parts of the core that two units cannot use at the same time, as bits of a word.
///
/// Bit 0: the path to SBUF that vector and gpsimd share. Bit 1: the path to PSUM that vector and
/// scalar share (generation 2). From bit 2: the banks of PSUM. Two instructions of different units
/// whose words have a bit in common exclude each other.
enum StructuralResources {
    /// SBUF, or the path to it.
    static let sbuf: UInt32 = 1
    /// The path to PSUM.
    static let psum: UInt32 = 2
    /// Shared paths.
    static let buses = sbuf | psum
    /// The PSUM banks.
    static let banks = ~buses

    /// The word of an operand: SBUF or PSUM with its banks, whoever accesses it.
    static func used(by pattern: AccessPattern, machine: Machine) -> UInt32 {
        switch pattern.space {
        case .hbm: return 0
        case .sbuf: return sbuf
        case .psum:
            let bank = Int64(machine.psumBankBytes)
            let length = Int64(pattern.spanElements) * Int64(pattern.type.byteCount)
            let first = bankBit(pattern.offset / bank)
            let last = bankBit((pattern.offset &+ max(length, 1) &- 1) / bank)
            var word = psum
            for bit in first...max(first, last) { word |= 1 << UInt32(bit) }
            return word
        }
    }

    /// A word has room for 30 banks; all above share the last bit (no machine has so many).
    private static func bankBit(_ bank: Int64) -> Int64 { 2 + min(max(bank, 0), 29) }

    /// Which bits of its operands' words count for an instruction, and which are added.
    static func filter(
        _ instruction: Instruction, isFast: Bool, generation: Int
    ) -> (kept: UInt32, added: UInt32) {
        let unit = instruction.unit
        if instruction.opcode == .nop || instruction.opcode.isDMA || unit == .tensorLoad {
            return (0, 0)
        }
        switch unit {
        case .vector where generation <= 2: return (~0, 0)
        case .scalar where generation <= 2: return (banks | psum, 0)
        case .gpsimd where generation <= 2: return (banks | sbuf, 0)
        case .vector: return (banks, isFast ? sbuf : 0)
        case .gpsimd: return (banks, sbuf)
        default: return (banks, 0)
        }
    }
}
