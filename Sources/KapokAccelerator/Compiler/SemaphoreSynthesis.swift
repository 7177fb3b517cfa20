/// Finds the fewest waits that enforce all dependences of a program.
///
/// The instructions of a stream (a unit, or a DMA ring) complete in order, so "the fifth
/// instruction of the vector engine has completed" says all about the four before it. What is known
/// to have completed at some moment is therefore one number for each stream. An instruction knows
/// what its predecessor in the queue knew when it started, and what every instruction that it waits
/// for knew at its end; a multiplication knows that its stationary matrix has been loaded. A wait
/// for something already known is left out.
struct SemaphoreSynthesis {
    /// A wait to be.
    struct Wait {
        /// Who waits, and for whom: positions in the order.
        var consumer: Int
        var producer: Int
        /// Why, and the tile in question.
        var kind: DependenceKind
        var tile: UInt32
    }

    /// The waits, by consumer.
    private(set) var waits: [Wait] = []
    /// Dependences that the hardware does not keep by itself.
    private(set) var synchronised = 0

    private let instructions: [Instruction]
    private let streams: [Int]
    private let positions: [Int32]
    private let width: Int

    /// Number of a DMA ring's stream, and of its semaphore; units come first.
    static func stream(of instruction: Instruction) -> Int {
        instruction.opcode.isDMA
            ? Unit.engineUnitCount + Int(instruction.ring) : Int(instruction.unit.rawValue)
    }

    /// Whether `consumer` must wait for a semaphore: a unit reads, and writes, in order, but does
    /// not see its own results before they are in memory, unless it adds to them in PSUM.
    static func needsSemaphore(
        _ producer: Instruction, _ consumer: Instruction, _ kind: DependenceKind
    ) -> Bool {
        if producer.opcode.isDMA || consumer.opcode.isDMA { return true }
        guard producer.unit == consumer.unit else { return true }
        return kind == .flow && consumer.opcode != .multiplyMoving
    }

    /// - Parameters:
    ///   - instructions: in their final order, with rings.
    ///   - dependences: of the instructions in the order in which they were analysed.
    ///   - order: for each final position, the number of its instruction in `dependences`.
    init(_ instructions: [Instruction], dependences: DependenceGraph, order: [UInt32]) {
        self.instructions = instructions
        var counts = [Int32](repeating: 0, count: Unit.engineUnitCount + 16)
        var streams: [Int] = []
        var positions: [Int32] = []
        streams.reserveCapacity(instructions.count)
        positions.reserveCapacity(instructions.count)
        for instruction in instructions {
            let stream = Self.stream(of: instruction)
            counts[stream] += 1
            streams.append(stream)
            positions.append(counts[stream])
        }
        self.streams = streams
        self.positions = positions
        width = (counts.lastIndex { $0 > 0 } ?? 0) + 1
        reduce(dependences, order)
    }

    private mutating func reduce(_ dependences: DependenceGraph, _ order: [UInt32]) {
        var final = [Int](repeating: 0, count: order.count)
        for (position, number) in order.enumerated() { final[Int(number)] = position }
        var knownAtEnd = [Int32](repeating: 0, count: instructions.count * width)
        var knownInQueue = [Int32](repeating: 0, count: Engine.allCases.count * width)
        var lastOfStream = [Int](repeating: -1, count: width)
        var needs: [Wait] = []
        for (position, number) in order.enumerated() {
            let instruction = instructions[position]
            needs.removeAll(keepingCapacity: true)
            for edge in dependences.start[Int(number)]..<dependences.start[Int(number) + 1] {
                let producer = final[Int(dependences.producers[edge])]
                let kind = dependences.kinds[edge]
                guard Self.needsSemaphore(instructions[producer], instruction, kind)
                else { continue }
                synchronised += 1
                needs.append(
                    Wait(
                        consumer: position, producer: producer, kind: kind,
                        tile: dependences.tiles[edge]))
            }
            // The latest one first: it may imply others, never the reverse.
            needs.sort { $0.producer > $1.producer }
            let queue = Int(instruction.engine.rawValue) * width
            for need in needs
            where knownInQueue[queue + streams[need.producer]] < positions[need.producer] {
                waits.append(need)
                for stream in 0..<width {
                    knownInQueue[queue + stream] = max(
                        knownInQueue[queue + stream],
                        knownAtEnd[need.producer * width + stream])
                }
            }
            // A multiplication starts after its stationary matrix has been loaded.
            let load = Int(Unit.tensorLoad.rawValue)
            if instruction.opcode == .multiplyMoving, lastOfStream[load] >= 0 {
                knownInQueue[queue + load] = positions[lastOfStream[load]]
            }
            let own = streams[position]
            let before = lastOfStream[own]
            for stream in 0..<width {
                let earlier = before < 0 ? 0 : knownAtEnd[before * width + stream]
                knownAtEnd[position * width + stream] = max(
                    earlier, knownInQueue[queue + stream])
            }
            knownAtEnd[position * width + own] = positions[position]
            lastOfStream[own] = position
        }
    }
}
