import KapokAccelerator

/// A matrix multiplication as the tutorial's last step does it: blocks of K stay in SBUF, eight
/// PSUM banks take turns, finished tiles are added up by the vector engine, loads are
/// double-buffered.
///
/// For each output tile and block of K there are 8 pairs of load and multiplication and one
/// addition.
struct BlockedMatmul {
    /// Tiles of 128 rows, blocks of 2048 columns, blocks of 1024 of the contraction.
    var rowTiles: Int
    var columnBlocks: Int
    var depthBlocks: Int

    private static let depthTiles = 8
    private static let columnTiles = 4
    private static let loadRing = 0
    private static let storeRing = 1

    private enum Stream {
        static let multiply: UInt16 = 1
        static let vector: UInt16 = 2
        static let load: UInt16 = 6
        static let store: UInt16 = 7
    }

    /// The program.
    func program() -> Program {
        var program = Program(name: "blocked matmul", machine: "trn2")
        program.instructions.reserveCapacity(instructionCount)
        var writer = Writer()
        for column in 0..<columnBlocks {
            for depth in 0..<depthBlocks {
                let buffer = (column * depthBlocks + depth) % 2
                let loaded = writer.load(into: buffer)
                for row in 0..<rowTiles {
                    for tile in 0..<Self.columnTiles {
                        writer.multiply(row, tile, buffer, loaded: loaded)
                    }
                }
                writer.release(buffer)
            }
            writer.store(rowTiles)
        }
        program.instructions = writer.instructions
        program.patterns = writer.patterns
        return program
    }

    private var instructionCount: Int {
        columnBlocks * depthBlocks * rowTiles * Self.columnTiles * (2 * Self.depthTiles + 1)
            + columnBlocks * (depthBlocks * 2 * Self.depthTiles + rowTiles)
    }

    /// Writes instructions and counts what each stream has signalled.
    private struct Writer {
        var instructions: [Instruction] = []
        private(set) var patterns: [AccessPattern] = []
        private var counts = [UInt32](repeating: 0, count: 8)
        private var bankFree = [UInt32](repeating: 0, count: 8)
        private var bufferFree: [UInt32] = [0, 0]
        private var bank = 0

        private static let stationary = 0
        private static let moving = 16
        private static let banks = 144
        private static let sums = 152
        private static let memory = 156

        init() {
            let row = FreeDimension(count: 128, stride: 1)
            let wide = FreeDimension(count: 512, stride: 1)
            let block = FreeDimension(count: 2048, stride: 1)
            for index in 0..<16 {
                patterns.append(
                    AccessPattern(
                        .sbuf, .fp32, partitionCount: 128, offset: index * 512, dimensions: [row]))
            }
            for index in 0..<128 {
                patterns.append(
                    AccessPattern(
                        .sbuf, .fp32, partitionCount: 128, offset: 8192 + index % 64 * 2048,
                        dimensions: [wide]))
            }
            for index in 0..<8 {
                patterns.append(
                    AccessPattern(
                        .psum, .fp32, partitionCount: 128, offset: index * 2048,
                        dimensions: [wide]))
            }
            for index in 0..<4 {
                patterns.append(
                    AccessPattern(
                        .sbuf, .fp32, partitionCount: 128, offset: 180_000 + index * 2048,
                        dimensions: [wide]))
            }
            patterns.append(
                AccessPattern(
                    .hbm, .fp32, partitionCount: 128, partitionStride: 8192, dimensions: [block]))
            patterns.append(
                AccessPattern(
                    .sbuf, .fp32, partitionCount: 128, offset: 8192, dimensions: [block]))
        }

        private mutating func add(_ instruction: Instruction, signals stream: UInt16) {
            var instruction = instruction
            instruction.signal = stream
            instruction.signalAmount = 1
            counts[Int(stream)] += 1
            instructions.append(instruction)
        }

        /// Loads both operands' blocks; returns what the ring has signalled afterwards.
        mutating func load(into buffer: Int) -> UInt32 {
            for index in 0..<(2 * BlockedMatmul.depthTiles) {
                var copy = Instruction(.dmaCopy, on: .sync)
                copy.destination = UInt32(Self.memory + 1)
                copy.source0 = UInt32(Self.memory)
                copy.ring = UInt8(BlockedMatmul.loadRing)
                if index == 0, bufferFree[buffer] > 0 {
                    copy.wait0 = SemaphoreWait(
                        semaphore: Stream.multiply, value: bufferFree[buffer], kind: .anti)
                }
                add(copy, signals: Stream.load)
            }
            return counts[Int(Stream.load)]
        }

        mutating func multiply(_ row: Int, _ tile: Int, _ buffer: Int, loaded: UInt32) {
            for depth in 0..<BlockedMatmul.depthTiles {
                var load = Instruction(.loadStationary, on: .tensor)
                load.source0 = UInt32(Self.stationary + depth + buffer * 8)
                load.wait0 = SemaphoreWait(semaphore: Stream.load, value: loaded, kind: .flow)
                add(load, signals: 0)
                var multiply = Instruction(.multiplyMoving, on: .tensor)
                multiply.source0 = UInt32(Self.moving + (row + depth * 4 + tile) % 64 + buffer * 64)
                multiply.destination = UInt32(Self.banks + bank)
                if depth > 0 {
                    multiply.flags = .accumulate
                } else if bankFree[bank] > 0 {
                    multiply.wait0 = SemaphoreWait(
                        semaphore: Stream.vector, value: bankFree[bank], kind: .bank)
                }
                add(multiply, signals: Stream.multiply)
            }
            var sum = Instruction(.tensorTensor, on: .vector)
            sum.destination = UInt32(Self.sums + tile)
            sum.source0 = UInt32(Self.banks + bank)
            sum.source1 = UInt32(Self.sums + tile)
            sum.operation0 = ALUOperation.add.rawValue
            sum.wait0 = SemaphoreWait(
                semaphore: Stream.multiply, value: counts[Int(Stream.multiply)], kind: .flow)
            add(sum, signals: Stream.vector)
            bankFree[bank] = counts[Int(Stream.vector)]
            bank = (bank + 1) % 8
        }

        /// Lets the buffer be overwritten after everything so far.
        mutating func release(_ buffer: Int) {
            bufferFree[buffer] = counts[Int(Stream.multiply)]
        }

        mutating func store(_ rowTiles: Int) {
            for _ in 0..<rowTiles {
                var copy = Instruction(.dmaCopy, on: .scalar)
                copy.destination = UInt32(Self.memory)
                copy.source0 = UInt32(Self.memory + 1)
                copy.ring = UInt8(BlockedMatmul.storeRing)
                copy.wait0 = SemaphoreWait(
                    semaphore: Stream.vector, value: counts[Int(Stream.vector)], kind: .flow)
                add(copy, signals: Stream.store)
            }
        }
    }
}
