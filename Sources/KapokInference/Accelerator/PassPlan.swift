internal import KapokAccelerator

/// A kernel of a lowered decoder.
enum LoweredKernel: Hashable, Sendable {
    case embedding(EmbeddingKernel)
    case block(BlockKernel)
    case attention(AttentionCall)
    case head(HeadKernel)
    case allReduce(AllReduceKernel)

    /// Its name in tables.
    var name: String {
        switch self {
        case .embedding(let kernel): kernel.name
        case .block(let kernel): kernel.name
        case .attention(let call): call.name
        case .head(let kernel): kernel.name
        case .allReduce(let kernel): kernel.name
        }
    }

    func trace(
        on machine: Machine, type: ElementType
    ) throws -> TracedKernel {
        switch self {
        case .embedding(let kernel): try kernel.trace(on: machine, type: type)
        case .block(let kernel): try kernel.trace(on: machine, type: type)
        case .attention(let call): try call.trace(on: machine, type: type)
        case .head(let kernel): try kernel.trace(on: machine, type: type)
        case .allReduce(let kernel): try kernel.trace(on: machine, type: type)
        }
    }
}

/// Attention by a kernel of the library: of a whole prompt, or of one token of each sequence to its
/// cache.
struct AttentionCall: Hashable, Sendable {
    /// Query heads, and heads of keys and values.
    var heads: Int
    var keyValueHeads: Int
    /// Elements of a head.
    var headWidth: Int
    /// Positions: of the prompt, or of each cache with the token's own.
    var length: Int
    /// Sequences that decode; nil for a prompt.
    var sequences: Int?
    /// Whether positions see only themselves and those before.
    var isCausal = true

    /// Its name in tables.
    var name: String { sequences == nil ? "attention" : "attention-decode" }

    func trace(on machine: Machine, type: ElementType) throws -> TracedKernel {
        guard let kernel = KernelLibrary.named(name) else {
            preconditionFailure("the library has \(name)")
        }
        return try trace(kernel, on: machine, type: type)
    }

    private func trace(
        _ kernel: some LibraryKernel, on machine: Machine, type: ElementType
    ) throws -> TracedKernel {
        var values = [
            "batch": sequences ?? 1, "heads": heads, "kvHeads": keyValueHeads,
            "headSize": headWidth,
        ]
        if sequences == nil {
            values["sequence"] = length
            values["causal"] = isCausal ? 1 : 0
            values["elementMajor"] = 1
        } else {
            values["length"] = length
        }
        return try kernel.trace(KernelArguments(for: kernel, values, type: type), on: machine)
    }
}

/// What goes through a decoder at once.
enum LoweredPass: Hashable, Sendable {
    /// A prompt of so many tokens, from an empty cache.
    case prompt(tokens: Int)
    /// One token of each of `sequences`, whose caches then have `length` positions.
    case token(sequences: Int, length: Int)

    /// Columns of the stream.
    var columns: Int {
        switch self {
        case .prompt(let tokens): tokens
        case .token(let sequences, _): sequences
        }
    }

    var isDecoding: Bool {
        if case .token = self { true } else { false }
    }
}

/// The kernels that one core runs for a pass, in order.
struct PassPlan: Sendable {
    /// A kernel and the block that it belongs to.
    struct Step: Hashable, Sendable {
        /// What runs.
        var kernel: LoweredKernel
        /// The block; where a kernel spans two, the first of them.
        var layer: Int?
        /// Tokens of the pass that it works on.
        var tokens: Range<Int>
        /// Cores wait for each other between the steps of one segment and of the next.
        var segment: Int
    }

    private(set) var steps: [Step] = []
    private var segment = 0

    /// Tokens that a kernel other than attention takes, give or take a half: a longer prompt takes
    /// several calls.
    static let callTokens = 2048
    /// Blocks of 128 keys x 512 queries in one attention kernel at most: longer prompts take one
    /// call for each head of keys.
    private static let callBlocks = 16_384

    private let decoder: LoweredDecoder
    private let pass: LoweredPass
    private let share: CoreShare
    private let isCausal: Bool

    /// - Parameters:
    ///   - share: what the core computes.
    ///   - index: the core's number.
    ///   - cores: how many share the work.
    ///   - logits: tokens whose logits are wanted, the last ones of a prompt.
    ///   - isCausal: whether prompts are masked; false only to see what a missing mask does.
    init(
        _ decoder: LoweredDecoder, _ pass: LoweredPass, share: CoreShare, index: Int, cores: Int,
        logits: Int, isCausal: Bool = true
    ) {
        self.decoder = decoder
        self.pass = pass
        self.share = share
        self.isCausal = isCausal
        // Calls of about one length, in whole tiles: a last call of few tokens would read all
        // weights for them.
        let calls = max(1, (pass.columns + Self.callTokens / 2) / Self.callTokens)
        let tiles = (pass.columns + 128 * calls - 1) / (128 * calls)
        let spans = TileSpan.pieces(of: pass.columns, by: 128 * tiles).map {
            $0.start..<($0.start + $0.count)
        }
        for span in spans {
            add(.embedding(EmbeddingKernel(width: decoder.width, tokens: span.count)), nil, span)
        }
        if cores == 1 { addBlocks(spans) } else { addSplitBlocks(spans, index, cores) }
        let head = HeadKernel(
            width: decoder.width, vocabulary: share.vocabulary.count, tokens: logits,
            epsilon: decoder.finalEpsilon)
        if head.vocabulary > 0 {
            add(.head(head), nil, pass.columns - logits..<pass.columns)
        }
    }

    private mutating func add(_ kernel: LoweredKernel, _ layer: Int?, _ tokens: Range<Int>) {
        steps.append(Step(kernel: kernel, layer: layer, tokens: tokens, segment: segment))
    }

    private mutating func add(
        _ stages: BlockStages, _ layer: Int, _ spans: [Range<Int>], addsStream: Bool = true
    ) {
        // A kernel that also projects has the heads of the next block.
        let isTail = stages.contains(.projections) && stages != .projections
        var shape = decoder.blocks[isTail ? layer + 1 : layer].shape.share(share)
        if !stages.contains(.projections) {
            (shape.isRotated, shape.hasBias, shape.normalisesHeads) = (false, false, false)
        }
        // What a kernel does not see must not make it another kernel.
        if stages == .feedForward { (shape.heads, shape.keyValueHeads) = (0, 0) }
        if !stages.contains(.feedForward) { shape.hidden = 0 }
        for span in spans {
            add(
                .block(
                    BlockKernel(
                        shape: shape, stages: stages, tokens: span.count,
                        isDecoding: pass.isDecoding, addsStream: addsStream)), layer, span)
        }
    }

    private mutating func addAttention(_ layer: Int) {
        let shape = decoder.blocks[layer].shape.share(share)
        var call = AttentionCall(
            heads: shape.heads, keyValueHeads: shape.keyValueHeads, headWidth: shape.headWidth,
            length: pass.columns, isCausal: isCausal)
        var calls = 1
        if case .token(let sequences, let length) = pass {
            (call.sequences, call.length) = (sequences, length)
        } else if (call.length + 127) / 128 * ((call.length + 511) / 512) * call.heads
            > Self.callBlocks
        {
            calls = call.keyValueHeads
            call.heads /= calls
            call.keyValueHeads = 1
        }
        for _ in 0..<calls { add(.attention(call), layer, 0..<pass.columns) }
    }

    /// One core: from attention to attention in one kernel.
    private mutating func addBlocks(_ spans: [Range<Int>]) {
        add(.projections, 0, spans)
        let last = decoder.blocks.count - 1
        for layer in 0...last {
            addAttention(layer)
            add(
                layer == last ? [.output, .feedForward] : [.output, .feedForward, .projections],
                layer, spans)
        }
    }

    /// Several cores: sums over cores cut a block into three.
    private mutating func addSplitBlocks(_ spans: [Range<Int>], _ index: Int, _ cores: Int) {
        let rows = Self.reducedRows(of: decoder.width, core: index, cores: cores).count
        for layer in decoder.blocks.indices {
            if !share.heads.isEmpty {
                add(.projections, layer, spans)
                addAttention(layer)
                add(.output, layer, spans, addsStream: false)
            }
            for part in 0..<2 {
                if part == 1, !share.hidden.isEmpty {
                    add(.feedForward, layer, spans, addsStream: false)
                }
                segment += 1
                for span in rows > 0 ? spans : [] {
                    let sum = AllReduceKernel(rows: rows, tokens: span.count, cores: cores)
                    add(.allReduce(sum), layer, span)
                }
                segment += 1
            }
        }
    }

    /// The rows of the stream that a core sums up.
    static func reducedRows(of width: Int, core: Int, cores: Int) -> Range<Int> {
        let rows = (width + cores - 1) / cores
        return min(width, core * rows)..<min(width, (core + 1) * rows)
    }
}
