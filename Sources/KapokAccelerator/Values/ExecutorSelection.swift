internal import CKernels

// Instructions that fill elements or choose among them.
extension Executor {
    func memset(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        scratch.first.update(repeating: instruction.immediate0, count: destination.elements)
        for row in 0..<destination.rows { write(scratch.first, to: destination, row: row) }
    }

    /// The index expression is an exact integer; with the start it is rounded to FP32 once.
    func iota(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        let index = IndexExpression(instruction, start: instruction.immediate0)
        for row in 0..<destination.rows {
            for element in 0..<destination.elements {
                let value = index.value(row, element)
                scratch.first[element] = value.isNaN ? .nan : Float(value)
            }
            write(scratch.first, to: destination, row: row)
        }
    }

    func affineSelect(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let index = IndexExpression(instruction, start: instruction.immediate1)
        let operation = ALUOperation(rawValue: instruction.operation0) ?? .bypass
        let replacement = destination.type.encode(instruction.immediate0)
        let isOrdered = operation != .isEqual && operation != .notEqual
        if isOrdered, destination.isContiguous {
            for row in 0..<destination.rows {
                copyElements(
                    of: source.singleRow(row), to: destination.singleRow(row),
                    first: row * destination.elements)
                let failing = index.elementsThatFail(operation, row, count: destination.elements)
                destination.fill(failing, row: row, with: replacement)
            }
            return
        }
        var bits = [UInt32](repeating: 0, count: destination.elements)
        for row in 0..<destination.rows {
            load(source, as: destination.type, row: row, into: &bits)
            for element in 0..<destination.elements where !index.holds(operation, row, element) {
                bits[element] = replacement
            }
            store(bits, to: destination, row: row)
        }
    }

    func copyPredicated(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let condition = unharmed(operand(instruction.source1), by: destination, keeping: &copies)
        var bits = [UInt32](repeating: 0, count: destination.elements)
        let offsets = destination.elementOffsets()
        for row in 0..<destination.rows {
            load(source, as: destination.type, row: row, into: &bits)
            let conditions = read(condition, row: row, into: scratch.second)
            for element in 0..<destination.elements where conditions[element] != 0 {
                let address = destination.row(row) + offsets[element]
                destination.type.store(bits[element], to: address)
                shadow?.markWritten(address, byteCount: destination.type.byteCount)
            }
        }
    }

    /// The largest first, equal values in order; NaN counts as less than everything.
    func max8(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let largest = scratch.second
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            var found = 0
            for element in 0..<source.elements {
                let value = values[element]
                if found == 8, !Self.exceeds(value, largest[7]) { continue }
                var place = min(found, 7)
                while place > 0, Self.exceeds(value, largest[place - 1]) {
                    largest[place] = largest[place - 1]
                    place -= 1
                }
                largest[place] = value
                found = min(found + 1, 8)
            }
            write(largest, to: destination, row: row)
        }
    }

    private static func exceeds(_ a: Float, _ b: Float) -> Bool {
        a > b || (b.isNaN && !a.isNaN)
    }

    /// The place of each value, or 2^32 - 1 when it does not occur (or not often enough).
    func findIndex8(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let wanted = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let searched = unharmed(operand(instruction.source1), by: destination, keeping: &copies)
        for row in 0..<destination.rows {
            let values = read(searched, row: row, into: scratch.first)
            let places = self.places(of: wanted, row: row, in: values, count: searched.elements)
            let bits = places.map { $0.map { UInt32($0) } ?? .max }
            store(bits, to: destination, row: row)
        }
    }

    func matchReplace8(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let wanted = unharmed(operand(instruction.source1), by: destination, keeping: &copies)
        var bits = [UInt32](repeating: 0, count: destination.elements)
        let replacement = destination.type.encode(instruction.immediate0)
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            let places = self.places(of: wanted, row: row, in: values, count: source.elements)
            load(source, as: destination.type, row: row, into: &bits)
            for case .some(let place) in places { bits[place] = replacement }
            store(bits, to: destination, row: row)
        }
    }

    /// Where the eight numbers of a row of `wanted` stand among `values`: the first occurrence, for
    /// a number that was wanted before the next one.
    private func places(
        of wanted: Operand, row: Int, in values: UnsafePointer<Float>, count: Int
    ) -> [Int?] {
        let numbers = read(wanted, row: row, into: scratch.third)
        var places: [Int?] = []
        for index in 0..<8 {
            var start = 0
            for earlier in 0..<index where numbers[earlier] == numbers[index] {
                start = places[earlier].map { $0 + 1 } ?? count
            }
            places.append((start..<max(start, count)).first { values[$0] == numbers[index] })
        }
        return places
    }

    // MARK: Elements as bits

    /// The elements of a row in the format of `type`: as they are when it is their own, else
    /// converted by way of FP32.
    private func load(
        _ source: Operand, as type: ElementType, row: Int, into bits: inout [UInt32]
    ) {
        if source.type == type {
            let address = source.row(row)
            let step = source.innerStride * type.byteCount
            source.forEachRun { byte, index in
                for element in 0..<source.innerCount {
                    bits[index + element] = type.load(address + byte + element * step)
                }
            }
            return
        }
        let values = read(source, row: row, into: scratch.first)
        let converted = UnsafeMutableRawPointer(scratch.fourth)
        encode(
            values, as: type, to: converted, stride: 1, count: source.elements,
            first: row * source.elements)
        for element in 0..<source.elements {
            bits[element] = type.load(converted + element * type.byteCount)
        }
    }

    private func store(_ bits: [UInt32], to destination: Operand, row: Int) {
        let address = destination.row(row)
        let type = destination.type
        let step = destination.innerStride * type.byteCount
        destination.forEachRun { byte, index in
            for element in 0..<destination.innerCount {
                type.store(bits[index + element], to: address + byte + element * step)
            }
        }
    }
}

/// `start + p * c1 + i * c2`, exact but for the sum with a start that is no integer.
private struct IndexExpression {
    let start: Double
    let perPartition: Int
    let perElement: Int

    init(_ instruction: Instruction, start: Float) {
        self.start = Double(start)
        perPartition = Int(Int32(bitPattern: instruction.source1))
        perElement = Int(Int32(bitPattern: instruction.source2))
    }

    @inline(__always)
    func value(_ partition: Int, _ element: Int) -> Double {
        start + Double(partition * perPartition + element * perElement)
    }

    /// Whether `value operation 0`.
    @inline(__always)
    func holds(_ operation: ALUOperation, _ partition: Int, _ element: Int) -> Bool {
        let value = value(partition, element)
        return switch operation {
        case .isEqual: value == 0
        case .notEqual: value != 0
        case .greaterEqual: value >= 0
        case .greater: value > 0
        case .lessEqual: value <= 0
        default: value < 0
        }
    }

    /// The elements of a partition for which an ordering comparison does not hold. The expression
    /// only grows or only falls from element to element, so that the answer changes once at most.
    func elementsThatFail(
        _ operation: ALUOperation, _ partition: Int, count: Int
    ) -> Range<Int> {
        let holdsAtStart = holds(operation, partition, 0)
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(operation, partition, middle) == holdsAtStart {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return holdsAtStart ? low..<count : 0..<low
    }
}

extension Operand {
    /// Puts `bits` into some elements of a contiguous row.
    fileprivate func fill(_ range: Range<Int>, row: Int, with bits: UInt32) {
        let start = self.row(row) + range.lowerBound * type.byteCount
        switch type.byteCount {
        case 1: fill(start, UInt8(truncatingIfNeeded: bits), range.count)
        case 2: fill(start, UInt16(truncatingIfNeeded: bits), range.count)
        default: fill(start, bits, range.count)
        }
    }

    private func fill<Bits: FixedWidthInteger>(
        _ address: UnsafeMutableRawPointer, _ bits: Bits, _ count: Int
    ) {
        address.assumingMemoryBound(to: Bits.self).update(repeating: bits, count: count)
    }
}
