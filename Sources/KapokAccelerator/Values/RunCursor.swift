/// Walks over an operand's elements in linear order, in runs of equal stride: two operands of
/// different shapes can be walked side by side.
struct RunCursor {
    private let operand: Operand
    private var row = 0
    private var outer = 0
    private var inner = 0
    /// Of the run's element `inner`: its address.
    private(set) var address: UnsafeMutableRawPointer

    init(_ operand: Operand) {
        self.operand = operand
        address = operand.address
    }

    /// Elements left in this run.
    var remaining: Int { operand.innerCount - inner }

    /// Elements from one of the run to the next.
    var stride: Int { operand.innerStride }

    /// Steps over `count` elements, at most those that remain.
    mutating func advance(by count: Int) {
        inner += count
        if inner < operand.innerCount {
            address += count * operand.innerStride * operand.type.byteCount
            return
        }
        inner = 0
        outer += 1
        if outer * operand.innerCount == operand.elements {
            outer = 0
            row += 1
        }
        address = operand.row(row) + operand.runOffset(outer)
    }
}

extension Operand {
    /// The distance in bytes of innermost run `run` from its row's first element.
    func runOffset(_ run: Int) -> Int {
        let (rest, i2) = run.quotientAndRemainder(dividingBy: Int(outer2.count))
        let (i0, i1) = rest.quotientAndRemainder(dividingBy: Int(outer1.count))
        let element = i0 * Int(outer0.stride) + i1 * Int(outer1.stride) + i2 * Int(outer2.stride)
        return element * type.byteCount
    }

    /// The distance in bytes of each element from its row's first one.
    func elementOffsets() -> [Int] {
        var offsets: [Int] = []
        offsets.reserveCapacity(elements)
        let step = innerStride * type.byteCount
        forEachRun { byte, _ in
            for element in 0..<innerCount { offsets.append(byte + element * step) }
        }
        return offsets
    }
}
