/// A kernel in the compiler's hands: checked, and cut into bundles.
///
/// A bundle is what stays together in an engine's queue: a `loadStationary` with the
/// `multiplyMoving` instructions right after it, or a single other instruction.
struct WorkingKernel: Sendable {
    /// Instructions, in an order in which they could be executed one after the other.
    private(set) var instructions: [Instruction] = []
    /// Index into the kernel's iterations for each instruction.
    private(set) var iterations: [UInt32] = []
    /// Bundle `b` holds the instructions `bundleStart[b] ..< bundleStart[b + 1]`.
    private(set) var bundleStart: [Int] = [0]
    /// Patterns relative to tiles.
    var patterns: [AccessPattern]
    /// Tensors in HBM; the compiler adds scratch space.
    var tensors: [TensorDeclaration]
    /// Tiles; the compiler adds those that are loaded once more.
    var tiles: [TracedTile]
    /// Source lines.
    let lines: [SourceLine]

    /// Bundles.
    var bundleCount: Int { bundleStart.count - 1 }

    /// - Throws: ``CompilerError`` when the record contradicts itself or a tile is read first.
    init(_ kernel: TracedKernel, machine: Machine) throws(CompilerError) {
        patterns = kernel.patterns
        tensors = kernel.tensors
        tiles = kernel.tiles
        lines = kernel.lines
        try KernelCheck(kernel, machine: machine).check()
        instructions.reserveCapacity(kernel.instructions.count)
        iterations.reserveCapacity(kernel.instructions.count)
        try takeBundles(of: kernel)
    }

    /// A kernel with the same tables and no instructions yet.
    init(tablesOf kernel: WorkingKernel) {
        patterns = kernel.patterns
        tensors = kernel.tensors
        tiles = kernel.tiles
        lines = kernel.lines
    }

    /// Appends instructions as one bundle.
    mutating func append(
        _ bundle: some Collection<Instruction>, iterations indices: some Collection<UInt32>
    ) {
        instructions.append(contentsOf: bundle)
        iterations.append(contentsOf: indices)
        bundleStart.append(instructions.count)
    }

    /// The instructions of a bundle, as a range.
    func bundle(_ index: Int) -> Range<Int> { bundleStart[index]..<bundleStart[index + 1] }

    /// The author's line of an instruction.
    func line(of index: Int) -> SourceLine? { lines.known(instructions[index].line) }

    /// A multiplication that does not follow its stationary matrix gets a load of its own: another
    /// matrix may stand in the array by the time it runs.
    private mutating func takeBundles(of kernel: TracedKernel) throws(CompilerError) {
        var loaded: Int?
        var isOpen = false
        for (index, instruction) in kernel.instructions.enumerated() {
            switch instruction.opcode {
            case .loadStationary:
                loaded = index
                isOpen = false
                let next = index + 1
                // A load that no multiplication follows has no effect.
                guard next < kernel.instructions.count,
                    kernel.instructions[next].opcode == .multiplyMoving
                else { continue }
                append(CollectionOfOne(instruction), iterations: kernel.iterations(at: index))
                isOpen = true
            case .multiplyMoving:
                guard let loaded else {
                    throw CompilerError(
                        kind: .noStationaryMatrix, line: lines.known(instruction.line),
                        problem: "multiplyMoving without a loadStationary before it",
                        remedy: "Load the stationary matrix right before the multiplication")
                }
                if !isOpen {
                    append(
                        CollectionOfOne(kernel.instructions[loaded]),
                        iterations: kernel.iterations(at: index))
                    isOpen = true
                }
                instructions.append(instruction)
                iterations.append(contentsOf: kernel.iterations(at: index))
                bundleStart[bundleStart.count - 1] = instructions.count
            default:
                isOpen = false
                append(CollectionOfOne(instruction), iterations: kernel.iterations(at: index))
            }
        }
    }
}

extension TracedKernel {
    fileprivate func iterations(at index: Int) -> CollectionOfOne<UInt32> {
        let isKnown = index < iterationOfInstruction.count
        return CollectionOfOne(isKnown ? iterationOfInstruction[index] : LoopIteration.none)
    }
}

extension [SourceLine] {
    /// The line of that index; nil when it is not known.
    func known(_ index: UInt32) -> SourceLine? {
        guard index > 0, index < count else { return nil }
        return self[Int(index)]
    }
}
