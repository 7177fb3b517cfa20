import KapokAccelerator
import KapokWorld

/// Random instructions on all engines that wait for each other at random: nothing repeats, every
/// kind of event occurs.
struct MixedProgram {
    var instructionCount: Int
    var seed: UInt64

    /// Streams: units, then one ring for each of sync, scalar and gpsimd.
    private static let streamCount = 9

    func program() -> Program {
        var random = RandomStream(seed: seed)
        var program = Program(name: "mixed", machine: "trn2")
        program.patterns = Self.patterns(&random)
        program.instructions.reserveCapacity(instructionCount + 1)
        var counts = [UInt32](repeating: 0, count: Self.streamCount)
        while program.instructions.count < instructionCount {
            for instruction in Self.next(&random) {
                var instruction = instruction
                let stream = Int(instruction.signal)
                // About one instruction in two waits for what another stream has done so far.
                if random.below(2) == 0 {
                    let other = random.below(Self.streamCount)
                    if counts[other] > 0 {
                        instruction.wait0 = SemaphoreWait(
                            semaphore: UInt16(other), value: counts[other], kind: .flow)
                    }
                }
                instruction.signalAmount = 1
                counts[stream] += 1
                program.instructions.append(instruction)
            }
        }
        return program
    }

    /// 64 patterns in SBUF, 8 in PSUM (one for each bank), 16 in HBM.
    private static func patterns(_ random: inout RandomStream) -> [AccessPattern] {
        let types: [ElementType] = [.fp32, .bf16]
        return (0..<88).map { index in
            let count = index < 72 ? 64 << random.below(4) : 1024
            let dimension = FreeDimension(count: count, stride: 1)
            let type = index < 64 ? types[index % 2] : .fp32
            return switch index {
            case ..<64:
                AccessPattern(
                    .sbuf, type, partitionCount: 128, offset: index * 2048,
                    dimensions: [dimension])
            case ..<72:
                AccessPattern(
                    .psum, type, partitionCount: 128, offset: (index - 64) * 2048,
                    dimensions: [dimension])
            default:
                AccessPattern(
                    .hbm, type, partitionCount: 64, tensor: 0, partitionStride: 1024,
                    dimensions: [dimension])
            }
        }
    }

    /// One instruction, or a pair of load and multiplication; `signal` is set to its stream.
    private static func next(_ random: inout RandomStream) -> [Instruction] {
        func sbuf() -> UInt32 { UInt32(random.below(64) as Int) }
        func psum() -> UInt32 { UInt32(64 + random.below(8) as Int) }
        func hbm() -> UInt32 { UInt32(72 + random.below(16) as Int) }
        var instruction: Instruction
        switch random.below(20) {
        case 0..<7:
            var load = Instruction(.loadStationary, on: .tensor)
            load.source0 = sbuf()
            load.signal = 0
            instruction = Instruction(.multiplyMoving, on: .tensor)
            instruction.source0 = sbuf()
            instruction.destination = psum()
            instruction.signal = 1
            return [load, instruction]
        case 7..<12:
            instruction = Instruction(.tensorTensor, on: .vector)
            instruction.source1 = psum()
            instruction.signal = 2
        case 12..<16:
            instruction = Instruction(.activation, on: .scalar)
            instruction.signal = 3
        case 16..<18:
            instruction = Instruction(.tensorCopy, on: .gpsimd)
            instruction.signal = 4
        default:
            let engine = [Engine.sync, .scalar, .gpsimd][random.below(3)]
            instruction = Instruction(.dmaCopy, on: engine)
            instruction.ring = engine == .sync ? 0 : engine == .scalar ? 1 : 2
            instruction.signal = 6 + UInt16(instruction.ring)
            instruction.source0 = hbm()
            instruction.destination = sbuf()
            return [instruction]
        }
        instruction.source0 = sbuf()
        instruction.destination = sbuf()
        return [instruction]
    }
}
