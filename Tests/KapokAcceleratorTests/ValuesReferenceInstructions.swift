@testable import KapokAccelerator

// What each opcode does; see ``Opcode`` and ``Executor``.
extension ValuesReference {
    mutating func step(_ index: Int) {
        let instruction = program.instructions[index]
        switch instruction.opcode {
        case .nop: break
        case .loadStationary: stationary = matrix(instruction)
        case .multiplyMoving: multiply(instruction, index)
        case .dmaTranspose:
            setBits(instruction.destination, Self.transposed(bits(instruction.source0)))
        case .dmaCopy, .tensorCopy: copy(instruction, index)
        case .tensorReduce, .partitionReduce, .bnStats, .bnAggregate: reduce(instruction, index)
        case .memset, .iota, .affineSelect, .copyPredicated: fill(instruction, index)
        case .max8, .findIndex8, .matchReplace8: search(instruction, index)
        default: compute(instruction, index)
        }
    }

    /// The matrix of a tensor engine's operand, K rows.
    private func matrix(_ instruction: Instruction) -> [[Float]] {
        let rows = values(instruction.source0)
        guard instruction.flags.contains(.doubleRow) else { return rows }
        return rows.flatMap { [Array($0.prefix($0.count / 2)), Array($0.suffix($0.count / 2))] }
    }

    private mutating func multiply(_ instruction: Instruction, _ index: Int) {
        if instruction.flags.contains(.transpose) {
            setBits(instruction.destination, Self.transposed(bits(instruction.source0)))
            return
        }
        let moving = matrix(instruction)
        var result = values(instruction.destination)
        for i in result.indices {
            for j in result[i].indices {
                var chain: Float = 0
                for k in moving.indices {
                    chain = chain.addingProduct(stationary[k][i], moving[k][j])
                }
                result[i][j] =
                    instruction.flags.contains(.accumulate) ? result[i][j] + chain : chain
            }
        }
        write(result, to: instruction.destination, index)
    }

    private static func transposed<T>(_ rows: [[T]]) -> [[T]] {
        rows[0].indices.map { column in rows.map { $0[column] } }
    }

    private mutating func copy(_ instruction: Instruction, _ index: Int) {
        let all = bits(instruction.source0, as: instruction.destination, index).flatMap { $0 }
        let columns = pattern(instruction.destination).elementsPerPartition
        setBits(
            instruction.destination,
            stride(from: 0, to: all.count, by: columns).map { Array(all[$0..<$0 + columns]) })
    }

    // MARK: Element by element

    /// Scalar operand `a` or `b`, one for each row.
    private func scalars(
        _ instruction: Instruction, _ flag: InstructionFlags, _ operand: UInt32,
        _ immediate: Float, _ rows: Int
    ) -> [Float] {
        instruction.flags.contains(flag)
            ? values(operand).map { $0[0] } : [Float](repeating: immediate, count: rows)
    }

    private mutating func compute(_ instruction: Instruction, _ index: Int) {
        let x = values(instruction.source0)
        let first = ALUOperation(rawValue: instruction.operation0) ?? .bypass
        let second = ALUOperation(rawValue: instruction.operation1) ?? .bypass
        let flags = instruction.flags
        func op0(_ x: Float, _ y: Float) -> Float {
            flags.contains(.reverse0) ? Self.apply(first, y, x) : Self.apply(first, x, y)
        }
        func op1(_ x: Float, _ y: Float) -> Float {
            flags.contains(.reverse1) ? Self.apply(second, y, x) : Self.apply(second, x, y)
        }
        let takesRow = [.scalarTensorTensor, .tensorTensorScan].contains(instruction.opcode)
        let a = scalars(
            instruction, .scalar0, takesRow ? instruction.source2 : instruction.source1,
            instruction.immediate0, x.count)
        let b =
            instruction.opcode == .tensorScalar || instruction.opcode == .activation
            ? scalars(
                instruction, .scalar1, instruction.source2, instruction.immediate1, x.count) : []
        let y = takesRow || instruction.opcode == .tensorTensor ? values(instruction.source1) : []
        var result = x
        for row in x.indices {
            var state = a[row]
            for i in x[row].indices {
                switch instruction.opcode {
                case .tensorTensor: result[row][i] = op0(x[row][i], y[row][i])
                case .tensorScalar: result[row][i] = op1(op0(x[row][i], a[row]), b[row])
                case .scalarTensorTensor:
                    result[row][i] = op1(op0(x[row][i], a[row]), y[row][i])
                case .tensorTensorScan:
                    state = op1(op0(x[row][i], state), y[row][i])
                    result[row][i] = state
                case .reciprocal: result[row][i] = 1 / x[row][i]
                default: result[row][i] = activated(instruction, x[row][i] * a[row] + b[row])
                }
            }
        }
        write(result, to: instruction.destination, index)
        if instruction.opcode == .activation, flags.contains(.reduces) {
            write(result.map { [Self.reduce(.add, $0)] }, to: instruction.source1, index)
        }
    }

    private func activated(_ instruction: Instruction, _ x: Float) -> Float {
        let function = Activation(rawValue: instruction.operation0) ?? .identity
        return Self.exactFunction(function, x) ?? .nan
    }

    // MARK: Reductions

    private mutating func reduce(_ instruction: Instruction, _ index: Int) {
        let x = values(instruction.source0)
        let operation = ALUOperation(rawValue: instruction.operation0) ?? .add
        let elements = pattern(instruction.destination).elementsPerPartition
        let result: [[Float]]
        switch instruction.opcode {
        case .tensorReduce:
            result = x.map { row in
                let run = row.count / elements
                return (0..<elements).map { element in
                    let sum = Self.reduce(operation, row[element * run..<(element + 1) * run])
                    return instruction.flags.contains(.negate) ? -sum : sum
                }
            }
        case .partitionReduce:
            let neutral = Self.reduce(operation, [])
            result = [
                (0..<elements).map { column in
                    x.reduce(neutral) { Self.apply(operation, $0, $1[column]) }
                }
            ]
        case .bnStats:
            result = x.map { row in
                let count = Float(row.count)
                let mean = Self.reduce(.add, row) / count
                let squares = row.map { ($0 - mean) * ($0 - mean) }
                return [count, mean, Self.reduce(.add, squares)]
            }
        default:
            result = x.map { Self.aggregate($0) }
        }
        write(result, to: instruction.destination, index)
    }

    private static func aggregate(_ row: [Float]) -> [Float] {
        let groups = stride(from: 0, to: row.count, by: 3).map { row[$0..<$0 + 3].map { $0 } }
        let count = groups.reduce(Float(0)) { $0 + $1[0] }
        let mean = groups.reduce(Float(0)) { $0 + $1[0] * $1[1] } / count
        let squares = groups.reduce(Float(0)) {
            $0 + ($1[2] + $1[0] * (($1[1] - mean) * ($1[1] - mean)))
        }
        return [mean, squares / count]
    }

    // MARK: Filling and searching

    private mutating func fill(_ instruction: Instruction, _ index: Int) {
        let destination = pattern(instruction.destination)
        let rows = Int(destination.partitionCount)
        let elements = destination.elementsPerPartition
        func expression(_ start: Float, _ row: Int, _ i: Int) -> Double {
            let c1 = Int(Int32(bitPattern: instruction.source1))
            let c2 = Int(Int32(bitPattern: instruction.source2))
            return Double(start) + Double(row * c1 + i * c2)
        }
        if instruction.opcode == .memset {
            let row = [Float](repeating: instruction.immediate0, count: elements)
            let all = [[Float]](repeating: row, count: rows)
            setBits(instruction.destination, rounded(all, to: destination.type, index))
            return
        }
        if instruction.opcode == .iota {
            let result = (0..<rows).map { row in
                (0..<elements).map { Float(expression(instruction.immediate0, row, $0)) }
            }
            write(result, to: instruction.destination, index)
            return
        }
        var result: [[UInt32?]] = bits(instruction.source0, as: instruction.destination, index)
        let isPredicated = instruction.opcode == .copyPredicated
        let conditions = isPredicated ? values(instruction.source1) : []
        let operation = ALUOperation(rawValue: instruction.operation0) ?? .bypass
        for row in 0..<rows {
            for i in 0..<elements {
                if isPredicated {
                    if conditions[row][i] == 0 { result[row][i] = nil }
                } else if !Self.holds(operation, expression(instruction.immediate1, row, i)) {
                    result[row][i] = destination.type.encode(instruction.immediate0)
                }
            }
        }
        setBits(instruction.destination, result)
    }

    private static func holds(_ operation: ALUOperation, _ value: Double) -> Bool {
        let sign: Float = value > 0 ? 1 : value < 0 ? -1 : 0
        return !value.isNaN && apply(operation, sign, 0) == 1
            || value.isNaN && operation == .notEqual
    }

    private mutating func search(_ instruction: Instruction, _ index: Int) {
        if instruction.opcode == .max8 {
            let result = values(instruction.source0).map { row in
                let numbers = row.filter { !$0.isNaN }
                let ordered = numbers.enumerated().sorted {
                    $0.element > $1.element
                        || ($0.element == $1.element && $0.offset < $1.offset)
                }
                return Array((ordered.map(\.element) + row.filter(\.isNaN)).prefix(8))
            }
            setBits(
                instruction.destination,
                rounded(result, to: pattern(instruction.destination).type, index))
            return
        }
        let isFind = instruction.opcode == .findIndex8
        let wanted = values(isFind ? instruction.source0 : instruction.source1)
        let searched = values(isFind ? instruction.source1 : instruction.source0)
        var result =
            isFind
            ? wanted.map { $0.map { _ in UInt32.max } }
            : bits(instruction.source0, as: instruction.destination, index)
        let replacement = pattern(instruction.destination).type.encode(instruction.immediate0)
        for row in wanted.indices {
            var isTaken = searched[row].map { _ in false }
            for (number, value) in wanted[row].enumerated() {
                let place = searched[row].indices.first {
                    searched[row][$0] == value && !isTaken[$0]
                }
                guard let place else { continue }
                isTaken[place] = true
                if isFind {
                    result[row][number] = UInt32(place)
                } else {
                    result[row][place] = replacement
                }
            }
        }
        setBits(instruction.destination, result)
    }
}
