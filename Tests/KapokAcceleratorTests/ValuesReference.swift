import Glibc
import KapokWorld

@testable import KapokAccelerator

/// The executor's arithmetic once more, element by element and without any thought of speed: what
/// the fast one is held against.
struct ValuesReference {
    let program: Program
    let machine: Machine
    let seed: UInt64
    /// Memories, a partition after the other.
    var sbuf: [UInt8]
    var psum: [UInt8]
    var tensors: [[UInt8]]
    /// Rows of the stationary matrix.
    var stationary: [[Float]] = []

    init(program: Program, machine: Machine, seed: UInt64) {
        self.program = program
        self.machine = machine
        self.seed = seed
        sbuf = [UInt8](repeating: 0, count: machine.partitions * machine.sbufBytesPerPartition)
        psum = [UInt8](repeating: 0, count: machine.partitions * machine.psumBytesPerPartition)
        tensors = program.tensors.map { [UInt8](repeating: 0, count: $0.byteCount) }
    }

    // MARK: Memory

    func pattern(_ index: UInt32) -> AccessPattern { program.patterns[Int(index)] }

    /// The distance of each element of a row from its first, in elements.
    private func elementOffsets(_ pattern: AccessPattern) -> [Int] {
        var offsets: [Int] = []
        for i0 in 0..<Int(pattern.dimension0.count) {
            for i1 in 0..<Int(pattern.dimension1.count) {
                for i2 in 0..<Int(pattern.dimension2.count) {
                    for i3 in 0..<Int(pattern.dimension3.count) {
                        offsets.append(
                            i0 * Int(pattern.dimension0.stride)
                                + i1 * Int(pattern.dimension1.stride)
                                + i2 * Int(pattern.dimension2.stride)
                                + i3 * Int(pattern.dimension3.stride))
                    }
                }
            }
        }
        return offsets
    }

    /// The bytes' places of all elements, row by row, in the pattern's memory.
    private func places(_ pattern: AccessPattern) -> [[Int]] {
        let offsets = elementOffsets(pattern)
        let size = pattern.type.byteCount
        return (0..<Int(pattern.partitionCount)).map { row in
            let start =
                switch pattern.space {
                case .sbuf: (Int(pattern.partitionStart) + row) * machine.sbufBytesPerPartition
                case .psum: (Int(pattern.partitionStart) + row) * machine.psumBytesPerPartition
                case .hbm: row * Int(pattern.partitionStride) * size
                }
            return offsets.map { start + Int(pattern.offset) + $0 * size }
        }
    }

    func bits(_ index: UInt32) -> [[UInt32]] {
        let pattern = pattern(index)
        let size = pattern.type.byteCount
        func gather(_ memory: [UInt8]) -> [[UInt32]] {
            places(pattern).map { row in
                row.map { place in
                    (0..<size).reduce(UInt32(0)) { $0 | UInt32(memory[place + $1]) << (8 * $1) }
                }
            }
        }
        switch pattern.space {
        case .sbuf: return gather(sbuf)
        case .psum: return gather(psum)
        case .hbm: return gather(tensors[Int(pattern.tensor)])
        }
    }

    /// Writes elements; nil leaves what is there.
    mutating func setBits(_ index: UInt32, _ rows: [[UInt32?]]) {
        let pattern = pattern(index)
        let places = places(pattern)
        func scatter(_ memory: inout [UInt8]) {
            for (row, bits) in zip(places, rows) {
                for case (let place, let bits?) in zip(row, bits) {
                    for byte in 0..<pattern.type.byteCount {
                        memory[place + byte] = UInt8(truncatingIfNeeded: bits >> (8 * byte))
                    }
                }
            }
        }
        switch pattern.space {
        case .sbuf: scatter(&sbuf)
        case .psum: scatter(&psum)
        case .hbm: scatter(&tensors[Int(pattern.tensor)])
        }
    }

    func values(_ index: UInt32) -> [[Float]] {
        let type = pattern(index).type
        return bits(index).map { $0.map { type.decode($0) } }
    }

    /// The elements of one operand in the type of another.
    func bits(_ index: UInt32, as target: UInt32, _ instruction: Int) -> [[UInt32]] {
        if pattern(index).type == pattern(target).type { return bits(index) }
        return rounded(values(index), to: pattern(target).type, instruction)
    }

    func rounded(
        _ rows: [[Float]], to type: ElementType, _ instruction: Int
    ) -> [[UInt32]] {
        guard program.instructions[instruction].flags.contains(.stochastic) else {
            return rows.map { $0.map { type.encode($0) } }
        }
        var seeds = RandomStream(seed: seed).split(UInt64(instruction))
        var stream = RandomStream(seed: seeds.next())
        return rows.map { row in
            row.map { type.encode($0, random: UInt32(stream.next() >> 32)) }
        }
    }

    /// Writes results of arithmetic.
    mutating func write(_ rows: [[Float]], to index: UInt32, _ instruction: Int) {
        let canonical = rows.map { $0.map { $0.isNaN ? Float(bitPattern: 0x7FC0_0000) : $0 } }
        setBits(index, rounded(canonical, to: pattern(index).type, instruction))
    }

    // MARK: Operations

    static func apply(_ operation: ALUOperation, _ x: Float, _ y: Float) -> Float {
        switch operation {
        case .bypass: x
        case .add: x + y
        case .subtract: x - y
        case .multiply: x * y
        case .divide: x / y
        case .max: maximum(x, y)
        case .min: -maximum(-x, -y)
        case .power: Float(pow(Double(x), Double(y)))
        case .isEqual: x == y ? 1 : 0
        case .notEqual: x != y ? 1 : 0
        case .greaterEqual: x >= y ? 1 : 0
        case .greater: x > y ? 1 : 0
        case .lessEqual: x <= y ? 1 : 0
        case .less: x < y ? 1 : 0
        case .absMax: maximum(abs(x), abs(y))
        }
    }

    /// IEEE 754-2019 maximum.
    private static func maximum(_ x: Float, _ y: Float) -> Float {
        if x.isNaN || y.isNaN { return .nan }
        if x == 0, y == 0 { return x.sign == .plus ? x : y }
        return x > y ? x : y
    }

    static func reduce(_ operation: ALUOperation, _ values: some Collection<Float>) -> Float {
        let neutral: Float =
            switch operation {
            case .multiply: 1
            case .max: -.infinity
            case .min: .infinity
            default: 0
            }
        var lanes = [Float](repeating: neutral, count: 16)
        for (index, value) in values.enumerated() {
            lanes[index % 16] = apply(operation, lanes[index % 16], value)
        }
        for half in [8, 4, 2, 1] {
            for lane in 0..<half { lanes[lane] = apply(operation, lanes[lane], lanes[lane + half]) }
        }
        return lanes[0]
    }

    /// The functions that FP32 arithmetic gives exactly; nil for the others.
    static func exactFunction(_ function: Activation, _ x: Float) -> Float? {
        switch function {
        case .identity: x
        case .sqrt: x.squareRoot()
        case .square: x * x
        case .reciprocal: 1 / x
        case .relu: x.isNaN ? x : max(x, 0)
        case .abs: abs(x)
        default: nil
        }
    }
}
