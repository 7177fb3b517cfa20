public import KapokAccelerator
public import KapokModel

/// A decoder whose kernels are computed, value by value, on simulated cores: what the predictions
/// are about, computed for real. One sequence, from its prompt on.
///
/// Weights are given to the kernels as numbers of the kernels' type: quantised ones are dequantised
/// first, and kept in FP32. A token of a model of 135 million weights takes a second or two.
public struct AcceleratedDecoder {
    /// The decoder.
    public let decoder: LoweredDecoder
    /// Cores that share the work.
    public let cores: Int
    /// Positions in the cache.
    public private(set) var length = 0

    private let machine: Machine
    private let type: ElementType
    private let hosts: [HostTensors]
    /// False only in tests, to see what a missing mask does.
    var isCausal = true
    /// Whether a kernel that reads what nothing has written ends in an error: slow.
    var checksInitialization = false
    private var programs: [LoweredKernel: Program] = [:]
    /// Packed matrices, which all passes use.
    private var packed: [PackedMatrix: [Float]] = [:]
    /// Keys and values by core, block and head: `headWidth` numbers for each position.
    private var keys: [[[[Float]]]]
    private var values: [[[[Float]]]]

    /// A decoder with an empty cache.
    ///
    /// - Parameters:
    ///   - type: what weights and activations are rounded to.
    ///   - cores: cores that share the work; they run one after another here.
    /// - Throws: ``LoweringError`` for a graph that has no lowering.
    public init(
        configuration: ModelConfiguration, weights: ModelWeights, machine: Machine,
        type: ElementType = .bf16, cores: Int = 1
    ) throws(LoweringError) {
        let decoder = try LoweredDecoder(ModelGraph(configuration))
        guard (1...64).contains(cores) else {
            throw LoweringError(
                "\(cores) cores", why: "1 to 64 can share a model", remedy: "Choose another number")
        }
        try decoder.check(type, on: machine)
        self.decoder = decoder
        self.machine = machine
        self.type = type
        self.cores = cores
        let named = weights.byName
        hosts = CoreShare.all(
            of: decoder.blocks[0].shape, vocabulary: decoder.vocabulary, cores: cores
        ).map { HostTensors(decoder: decoder, share: $0, type: type, weights: named) }
        keys = hosts.map { host in
            decoder.blocks.map { _ in
                [[Float]](repeating: [], count: host.share.keyValueHeads.count)
            }
        }
        values = keys
    }

    /// Computes a prompt from an empty cache.
    ///
    /// - Parameter tokens: 1 to 128, each below the vocabulary's size.
    /// - Returns: the logits after each token.
    /// - Throws: an error of the compiler or of the simulated core: a kernel broke a rule of the
    ///   machine.
    public mutating func prefill(_ tokens: [TokenID]) throws -> [[Float]] {
        precondition(length == 0, "a prompt comes first")
        precondition((1...128).contains(tokens.count), "a prompt of 1 to 128 tokens")
        return try run(.prompt(tokens: tokens.count), tokens, logits: tokens.count)
    }

    /// Computes one more token.
    ///
    /// - Returns: the logits after it.
    public mutating func decode(_ token: TokenID) throws -> [Float] {
        precondition(length > 0, "a prompt comes first")
        return try run(.token(sequences: 1, length: length + 1), [token], logits: 1)[0]
    }

    // MARK: A pass

    /// A matrix of a core; no block: the head.
    private struct PackedMatrix: Hashable {
        var core: Int
        var layer: Int?
        var matrix: BlockMatrix?
    }

    /// What goes from kernel to kernel on a core.
    private struct Registers {
        var q: [Float] = []
        var mix: [Float] = []
        var part: [Float] = []
    }

    private mutating func run(
        _ pass: LoweredPass, _ tokens: [TokenID], logits: Int
    ) throws -> [[Float]] {
        let table = hosts[0].tensor(decoder.embedding)
        let positions = (0..<tokens.count).map { length + $0 }
        let plans = hosts.indices.map { core in
            PassPlan(
                decoder, pass, share: hosts[core].share, index: core, cores: cores,
                logits: logits, isCausal: isCausal
            ).steps
        }
        var stream: [Float] = []
        var registers = [Registers](repeating: Registers(), count: cores)
        var next = [Int](repeating: 0, count: cores)
        var rows = [[Float]](repeating: [], count: logits)
        // Every core runs up to its next sum over cores; then that is computed for all.
        while true {
            var sums: [(core: Int, kernel: LoweredKernel)] = []
            for core in 0..<cores {
                registers[core].part = []
                while next[core] < plans[core].count {
                    let step = plans[core][next[core]]
                    next[core] += 1
                    if case .allReduce = step.kernel {
                        sums.append((core, step.kernel))
                        break
                    }
                    if case .embedding = step.kernel {
                        let numbers = tokens.flatMap { table.floats(row: Int($0)) }
                        stream = try values("result", of: step.kernel, ["rows": numbers])
                    } else if case .head(let head) = step.kernel {
                        let part = try headLogits(head, core, stream)
                        for row in 0..<logits {
                            let start = row * head.vocabulary
                            rows[row] += part[start..<(start + head.vocabulary)]
                        }
                    } else {
                        try run(step, core, positions, &stream, &registers[core])
                    }
                }
            }
            guard !sums.isEmpty else { break }
            stream = try reduce(sums, stream, registers.map(\.part), columns: tokens.count)
        }
        length += tokens.count
        return rows
    }

    /// A kernel of a block.
    private mutating func run(
        _ step: PassPlan.Step, _ core: Int, _ positions: [Int], _ stream: inout [Float],
        _ registers: inout Registers
    ) throws {
        guard let layer = step.layer else { preconditionFailure("the kernel has a block") }
        switch step.kernel {
        case .block(let kernel):
            let inputs = blockInputs(kernel, layer, core, positions, stream, registers.mix)
            let projects = kernel.stages.contains(.projections)
            var names = projects ? ["q", "keys", "values"] : []
            if kernel.stages != .projections { names.append("result") }
            var outputs = try execute(step.kernel, inputs, outputs: names)
            if let result = outputs.removeValue(forKey: "result") {
                if kernel.addsStream { stream = result } else { registers.part = result }
            }
            guard projects else { return }
            registers.q = outputs["q"] ?? []
            let block = kernel.stages == .projections ? layer : layer + 1
            append(
                keys: outputs["keys"] ?? [], values: outputs["values"] ?? [], core, block,
                columns: positions.count)
        case .attention(let call):
            registers.mix = try attend(step.kernel, call, core, layer, registers.q)
        default: preconditionFailure("the kernel belongs to no block")
        }
    }

    private mutating func blockInputs(
        _ kernel: BlockKernel, _ layer: Int, _ core: Int, _ positions: [Int], _ stream: [Float],
        _ mix: [Float]
    ) -> [String: [Float]] {
        var inputs: [String: [Float]] = [:]
        let host = hosts[core]
        let isTail = kernel.stages.contains(.projections) && kernel.stages != .projections
        for (matrix, layout) in kernel.layouts(elementBytes: type.byteCount) {
            let isNext = isTail && [.query, .key, .value].contains(matrix)
            let block = layer + (isNext ? 1 : 0)
            let key = PackedMatrix(core: core, layer: block, matrix: matrix)
            let numbers = packed[key] ?? host.packed(matrix, layer: block, layout)
            packed[key] = numbers
            inputs[matrix.rawValue] = numbers
        }
        if kernel.stages.contains(.projections) {
            let block = isTail ? layer + 1 : layer
            inputs.merge(host.headInputs(kernel, layer: block, positions: positions)) { $1 }
        }
        if kernel.stages.contains(.output) { inputs["mix"] = mix }
        if kernel.addsStream || kernel.stages != .output { inputs["x"] = stream }
        return inputs
    }

    /// Appends what the projections gave: keys (heads x elements) x columns, values heads x columns
    /// x elements.
    private mutating func append(
        keys newKeys: [Float], values newValues: [Float], _ core: Int, _ layer: Int, columns: Int
    ) {
        let size = decoder.blocks[layer].headWidth
        for head in keys[core][layer].indices {
            for column in 0..<columns {
                for element in 0..<size {
                    keys[core][layer][head].append(
                        newKeys[(head * size + element) * columns + column])
                }
            }
            let start = head * columns * size
            values[core][layer][head] += newValues[start..<(start + columns * size)]
        }
    }

    private mutating func attend(
        _ kernel: LoweredKernel, _ call: AttentionCall, _ core: Int, _ layer: Int, _ q: [Float]
    ) throws -> [Float] {
        let size = call.headWidth
        // Heads x elements x positions, from the rows of the cache.
        let transposed = keys[core][layer].flatMap { rows in
            (0..<rows.count).map { rows[$0 % call.length * size + $0 / call.length] }
        }
        let names = call.sequences == nil ? "k" : "kT"
        return try values(
            "result", of: kernel,
            ["q": q, names: transposed, "v": values[core][layer].flatMap { $0 }])
    }

    private mutating func headLogits(
        _ head: HeadKernel, _ core: Int, _ stream: [Float]
    ) throws -> [Float] {
        let columns = stream.count / head.width
        let x = (0..<head.width).flatMap { row in
            stream[(row * columns + columns - head.tokens)..<((row + 1) * columns)]
        }
        let key = PackedMatrix(core: core)
        let weights =
            packed[key] ?? hosts[core].packedHead(head.layout(elementBytes: type.byteCount))
        packed[key] = weights
        return try values("logits", of: .head(head), ["x": Array(x), "weights": weights])
    }

    /// The stream with the sum of all cores' parts: each core computes its rows.
    private mutating func reduce(
        _ sums: [(core: Int, kernel: LoweredKernel)], _ stream: [Float], _ parts: [[Float]],
        columns: Int
    ) throws -> [Float] {
        var result = stream
        for (core, kernel) in sums {
            let rows = PassPlan.reducedRows(of: decoder.width, core: core, cores: cores)
            let range = rows.lowerBound * columns..<rows.upperBound * columns
            let own = parts.flatMap { part in
                part.isEmpty ? [Float](repeating: 0, count: range.count) : Array(part[range])
            }
            let sum = try values(
                "result", of: kernel, ["parts": own, "x": Array(stream[range])])
            result.replaceSubrange(range, with: sum[..<range.count])
        }
        return result
    }

    // MARK: A kernel

    private mutating func values(
        _ output: String, of kernel: LoweredKernel, _ inputs: [String: [Float]]
    ) throws -> [Float] {
        try execute(kernel, inputs, outputs: [output])[output] ?? []
    }

    private mutating func execute(
        _ kernel: LoweredKernel, _ inputs: [String: [Float]], outputs: [String]
    ) throws -> [String: [Float]] {
        let program = try programs[kernel] ?? compile(kernel)
        programs[kernel] = program
        var options = ExecutionOptions()
        options.checksInitialization = checksInitialization
        var executor = try Executor(program: program, machine: machine, options: options)
        for (name, numbers) in inputs { try executor.setInput(name, values: numbers) }
        try executor.run()
        var results: [String: [Float]] = [:]
        for name in outputs { results[name] = try executor.values(of: name) }
        return results
    }

    /// In the author's order: values do not depend on it, and no time is measured here.
    private func compile(_ kernel: LoweredKernel) throws -> Program {
        let compiler = Compiler(machine: machine, options: CompilerOptions(schedule: .source))
        return try compiler.compile(kernel.trace(on: machine, type: type)).program
    }
}
