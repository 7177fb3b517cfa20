import KapokAccelerator
import KapokWorld

/// Small random kernels: loops that load, compute on all engines, multiply, keep state between
/// iterations, and store.
struct RandomKernel {
    private var random: RandomStream
    private var sketch: KernelSketch
    private var input: Int
    private var output: Int
    private var scratch: Int
    private var filled: [UInt32] = []
    private var kept: [UInt32] = []

    /// - Parameters:
    ///   - columns: width of all tiles, a multiple of 4.
    ///   - isTall: whether tiles occupy all partitions, though only four are touched.
    init(seed: UInt64, machine: Machine, columns: Int = 8, isTall: Bool = false) {
        random = RandomStream(seed: seed)
        sketch = KernelSketch("random \(seed)", machine: machine)
        input = sketch.tensor("input", 4, 64, .input)
        output = sketch.tensor("output", 4, 64, .output)
        scratch = sketch.tensor("between", 4, 64, .scratch)
        self.columns = columns
        partitions = isTall ? 128 : 4
    }

    private let columns: Int
    private let partitions: Int

    private mutating func tile(_ name: String, _ space: MemorySpace = .sbuf, line: Int) -> UInt32 {
        sketch.tile(name, space, partitions: partitions, columns: columns, line: line)
    }

    private mutating func part(
        _ tile: UInt32, columns: Range<Int>? = nil, stride: Int = 1
    ) -> UInt32 {
        sketch.part(tile, columns: columns, stride: stride, partitions: 0..<4)
    }

    mutating func make(iterations: Int, operations: Int) -> TracedKernel {
        for index in 0..<pick(3) {
            let tile = tile("kept", line: 5 + index)
            let whole = part(tile)
            sketch.compute(.memset, [], to: whole, on: .gpsimd, line: 8)
            kept.append(tile)
        }
        // What loads may read is written first.
        let start = tile("start", line: 10)
        let zeros = part(start)
        sketch.compute(.memset, [], to: zeros, on: .vector, line: 11)
        for first in stride(from: 0, to: 64, by: columns) {
            let target = sketch.region(scratch, rows: 0..<4, columns: first..<first + columns)
            sketch.copy(zeros, to: target, line: 12)
        }
        for iteration in 0..<iterations {
            // Some tiles of the iteration before live on.
            filled = pick(2) == 0 ? [] : Array(filled.suffix(2))
            load(iteration)
            for _ in 0..<operations { operate() }
            store(iteration)
        }
        return sketch.kernel
    }

    private mutating func pick(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    private mutating func load(_ iteration: Int) {
        for number in 0..<1 + pick(3) {
            let tile = tile("loaded", line: 20 + number % 2)
            let first = pick(64 - columns + 1)
            let whole = part(tile)
            // Now and then from what the kernel has stored, or in two halves.
            let tensor = pick(6) == 0 ? scratch : input
            let engine: Engine = pick(4) == 0 ? .scalar : .sync
            if pick(4) == 0 {
                for half in 0..<2 {
                    let from = half * columns / 2
                    let target = part(tile, columns: from..<from + columns / 2)
                    let source = sketch.region(
                        tensor, rows: 0..<4, columns: first + from..<first + from + columns / 2)
                    sketch.copy(source, to: target, on: engine, line: 22)
                }
            } else {
                let source = sketch.region(
                    tensor, rows: 0..<4, columns: first..<first + columns)
                sketch.copy(source, to: whole, on: engine, line: 21)
            }
            filled.append(tile)
        }
    }

    /// A filled tile, whole or every second column of it.
    private mutating func operand() -> UInt32 {
        let all = filled + kept
        return all[pick(all.count)]
    }

    private mutating func operate() {
        switch pick(6) {
        case 0: multiply()
        case 1: update()
        case 2: strided()
        default: elementwise()
        }
    }

    private mutating func elementwise() {
        let a = operand()
        let b = operand()
        let tile = tile("value", line: 30 + pick(3))
        let engines: [Engine] = [.vector, .scalar, .gpsimd]
        let engine = engines[pick(3)]
        let sources = engine == .scalar ? [part(a)] : [part(a), part(b)]
        sketch.compute(
            engine == .scalar ? .activation : .tensorTensor, sources, to: part(tile), on: engine,
            line: 33)
        filled.append(tile)
    }

    /// Writes over part of a tile that others may still read.
    private mutating func update() {
        let tile = operand()
        let first = pick(columns)
        let changed = part(tile, columns: first..<first + 1 + pick(columns - first))
        let source = part(operand(), columns: 0..<1)
        sketch.compute(
            .tensorScalar, [changed, source], to: changed, on: pick(2) == 0 ? .vector : .scalar,
            flags: .scalar0, line: 34)
    }

    private mutating func strided() {
        let source = operand()
        let tile = tile("mixed", line: 36)
        for parity in 0..<2 {
            let from = part(source, columns: parity..<columns, stride: 2)
            let target = part(tile, columns: parity..<columns, stride: 2)
            sketch.compute(
                .tensorCopy, [from], to: target, on: pick(2) == 0 ? .scalar : .vector, line: 37)
        }
        filled.append(tile)
    }

    private mutating func multiply() {
        let psum = tile("psum", .psum, line: 40)
        let target = part(psum)
        for step in 0..<1 + pick(3) {
            let stationary = part(operand(), columns: 0..<4)
            let moving = part(operand())
            sketch.multiply(stationary, moving, to: target, accumulate: step > 0, line: 41)
        }
        let tile = tile("product", line: 42)
        sketch.compute(
            .tensorCopy, [target], to: part(tile), on: pick(2) == 0 ? .vector : .scalar,
            line: 43)
        filled.append(tile)
    }

    private mutating func store(_ iteration: Int) {
        for _ in 0..<1 + pick(2) {
            let first = pick(64 - columns + 1)
            let source = part(operand())
            let target = sketch.region(
                pick(3) == 0 ? scratch : output, rows: 0..<4, columns: first..<first + columns)
            sketch.copy(source, to: target, on: pick(5) == 0 ? .gpsimd : .sync, line: 50)
        }
    }
}
