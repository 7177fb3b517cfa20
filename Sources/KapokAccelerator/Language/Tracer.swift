/// Records what a kernel does: the state behind ``KernelBuilder`` and its engines.
final class Tracer {
    /// Instructions, tiles, and iterations of loops of one trace at most: 128 times the
    /// instructions of the naive large matmul of the published tutorial.
    static let maximumInstructions = 1 << 24
    /// Tensors of one trace at most: what the field of an access pattern can number.
    static let maximumTensors = Int(UInt16.max)

    let machine: Machine
    private let limit: Int
    var kernel: TracedKernel
    private var patterns = PatternTable()
    private var lineOfSite: [Site: UInt32] = [:]
    private var lineOfPlace: [SourceLine: UInt32] = [:]
    private var loopOfPlace: [LoopDeclaration: UInt32] = [:]
    private var problems: [TraceProblem] = []
    private var problemOfPlace: [ProblemPlace: Int] = [:]
    private var omittedProblems = 0
    /// Whether results of elementwise instructions are rounded by chance.
    var roundsStochastically = false
    /// The iteration that is being traced.
    private var iteration = LoopIteration.none
    /// For each tile, whether anything was written to it.
    private var isWritten: [Bool] = []
    /// For each tensor, the same.
    private var isTensorWritten: [Bool] = []
    private var lineOfTensor: [UInt32] = []
    /// The stationary matrix that was loaded last, by its pattern.
    private(set) var lastStationary = Instruction.noPattern
    /// Identity matrices that the tensor engine transposes with, by type.
    var identities: [ElementType: TileRegion] = [:]

    /// - Parameter limit: instructions, tiles, and iterations at most.
    init(name: String, machine: Machine, limit: Int = maximumInstructions) {
        self.machine = machine
        self.limit = limit
        kernel = TracedKernel(name: name, machine: machine)
    }

    /// Whether loops should end: more problems or instructions would help nobody.
    var isStopped: Bool {
        omittedProblems > 0 || kernel.instructions.count >= limit
            || kernel.tiles.count >= limit
            || kernel.iterations.count >= limit
    }

    // MARK: Lines and problems

    /// The index of a source line.
    func line(_ site: Site) -> UInt32 {
        if let known = lineOfSite[site] { return known }
        let place = SourceLine(file: site.fileName, line: site.line)
        let index: UInt32
        if let known = lineOfPlace[place] {
            index = known
        } else {
            index = UInt32(kernel.lines.count)
            kernel.lines.append(place)
            lineOfPlace[place] = index
        }
        lineOfSite[site] = index
        return index
    }

    /// Notes a problem; the same one on the same line is counted, not listed again.
    func report(
        _ rule: TraceProblem.Rule, at site: Site, _ what: String, why: String, remedy: String
    ) {
        let line = line(site)
        let place = ProblemPlace(line: line, rule: rule)
        if let known = problemOfPlace[place] {
            problems[known].occurrences += 1
        } else if problems.count < TraceError.maximumProblems {
            problemOfPlace[place] = problems.count
            problems.append(
                TraceProblem(
                    rule, at: kernel.lines[Int(line)], what: what, why: why, remedy: remedy))
        } else {
            omittedProblems += 1
        }
    }

    // MARK: Tensors and tiles

    func makeTensor(_ declaration: TensorDeclaration, at site: Site) -> Int? {
        let index = kernel.tensors.count
        guard index < Self.maximumTensors else {
            report(
                .limit, at: site, "more than \(Self.maximumTensors) tensors",
                why: "an access pattern numbers its tensor in 16 bits",
                remedy: "put several arrays into one tensor and slice it")
            return nil
        }
        kernel.tensors.append(declaration)
        isTensorWritten.append(false)
        lineOfTensor.append(line(site))
        return index
    }

    /// Adds a tile. Beyond the bound it is not recorded, and the problem is noted.
    func makeTile(_ tile: TracedTile, at site: Site) -> UInt32? {
        guard kernel.tiles.count < limit else {
            reportLimit(at: site)
            return nil
        }
        kernel.tiles.append(tile)
        isWritten.append(false)
        return UInt32(kernel.tiles.count - 1)
    }

    // MARK: Loops

    /// Traces one loop: `body` is called with each index until the trace is stopped.
    func loop(_ name: String, count: Int, at site: Site, body: (Int) -> Void) {
        let declaration = LoopDeclaration(name: name, line: line(site))
        let loop: UInt32
        if let known = loopOfPlace[declaration] {
            loop = known
        } else {
            loop = UInt32(kernel.loops.count)
            kernel.loops.append(declaration)
            loopOfPlace[declaration] = loop
        }
        let outer = iteration
        for index in 0..<count {
            guard !isStopped else {
                if omittedProblems == 0 { reportLimit(at: site) }
                break
            }
            iteration = UInt32(kernel.iterations.count)
            kernel.iterations.append(
                LoopIteration(loop: loop, index: UInt32(index), parent: outer))
            body(index)
        }
        iteration = outer
    }

    // MARK: Instructions

    /// Adds an instruction at the end.
    func append(_ instruction: Instruction, at site: Site) {
        guard kernel.instructions.count < limit else {
            return reportLimit(at: site)
        }
        var instruction = instruction
        instruction.line = line(site)
        if instruction.opcode == .loadStationary { lastStationary = instruction.source0 }
        kernel.instructions.append(instruction)
        kernel.iterationOfInstruction.append(iteration)
    }

    private func reportLimit(at site: Site) {
        report(
            .limit, at: site,
            "more than \(limit) instructions, tiles or iterations",
            why: "a trace is bounded, so that a loop that never ends cannot fill the memory",
            remedy: "cut the kernel into several, or work on larger tiles")
    }

    /// The pattern of a tile that is read; nil, with a problem noted, when nothing was written to
    /// it.
    func reading(_ region: TileRegion, at site: Site) -> UInt32? {
        guard isWritten[Int(region.tile)] else {
            let tile = kernel.tiles[Int(region.tile)]
            report(
                .uninitialised, at: site, "tile \(tile.name) is read before anything wrote to it",
                why: "the line that makes a tile gives fresh memory each time it is passed, "
                    + "with unknown contents",
                remedy: "load, compute or memset it first; a tile that is kept over iterations "
                    + "is made before the loop")
            return nil
        }
        return pattern(region, at: site)
    }

    /// The pattern of a tile that is written.
    func writing(_ region: TileRegion, at site: Site) -> UInt32? {
        guard !region.layout.repeats else {
            reportRepeated(at: site)
            return nil
        }
        isWritten[Int(region.tile)] = true
        return pattern(region, at: site)
    }

    /// Whether anything was written to the tile.
    func hasContents(_ region: TileRegion) -> Bool { isWritten[Int(region.tile)] }

    private func pattern(_ region: TileRegion, at site: Site) -> UInt32? {
        guard let pattern = region.pattern() else {
            reportDimensions(at: site)
            return nil
        }
        return patterns.index(of: pattern)
    }

    func reading(_ region: TensorRegion, at site: Site) -> UInt32? {
        guard kernel.tensors[region.tensor].role == .input || isTensorWritten[region.tensor] else {
            report(
                .uninitialised, at: site,
                "tensor \(kernel.tensors[region.tensor].name) is read before it was written",
                why: "only inputs have contents when the kernel starts",
                remedy: "store to it first, or declare it as an input")
            return nil
        }
        return pattern(region, at: site)
    }

    func writing(_ region: TensorRegion, at site: Site) -> UInt32? {
        let tensor = kernel.tensors[region.tensor]
        guard tensor.role != .input else {
            report(
                .argument, at: site, "input \(tensor.name) is written",
                why: "inputs keep their contents, so that a kernel can run again",
                remedy: "declare an output or a scratch tensor")
            return nil
        }
        guard !region.layout.repeats else {
            reportRepeated(at: site)
            return nil
        }
        isTensorWritten[region.tensor] = true
        return pattern(region, at: site)
    }

    private func pattern(_ region: TensorRegion, at site: Site) -> UInt32? {
        guard let pattern = region.pattern() else {
            reportDimensions(at: site)
            return nil
        }
        return patterns.index(of: pattern)
    }

    private func reportRepeated(at site: Site) {
        report(
            .shape, at: site, "the result repeats elements",
            why: "the same place would be written several times, with different values",
            remedy: "repeat or broadcast what is read, never what is written")
    }

    private func reportDimensions(at site: Site) {
        report(
            .shape, at: site, "the operand has more than four free dimensions",
            why: "an access pattern has a partition dimension and four free ones",
            remedy: "slice away a dimension in a loop, or merge dimensions that lie side by side")
    }

    // MARK: The end

    /// What was recorded, or all that is wrong with it.
    func finish() throws(TraceError) -> TracedKernel {
        if problems.isEmpty {
            for (index, tensor) in kernel.tensors.enumerated()
            where tensor.role == .output && !isTensorWritten[index] {
                problems.append(
                    TraceProblem(
                        .uninitialised, at: kernel.lines[Int(lineOfTensor[index])],
                        what: "output \(tensor.name) is never written",
                        why: "its contents would be unknown after the kernel",
                        remedy: "store a result to it, or declare it as scratch"))
            }
        }
        guard problems.isEmpty else {
            throw TraceError(kernel: kernel.name, problems: problems, omitted: omittedProblems)
        }
        kernel.patterns = patterns.patterns
        return kernel
    }

    private struct ProblemPlace: Hashable {
        var line: UInt32
        var rule: TraceProblem.Rule
    }
}

/// A place in the author's source, as the compiler gives it to a default argument.
struct Site: Hashable {
    private let file: StaticString
    let line: Int

    init(_ file: StaticString, _ line: Int) {
        self.file = file
        self.line = line
    }

    var fileName: String { file.description }

    private var identity: UInt {
        file.hasPointerRepresentation
            ? UInt(bitPattern: file.utf8Start) : UInt(file.unicodeScalar.value)
    }

    static func == (a: Site, b: Site) -> Bool {
        a.line == b.line && a.identity == b.identity
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(identity)
        hasher.combine(line)
    }
}
