/// A model computed plainly: the graph, operation by operation, in double precision over
/// dequantised weights, all tokens of a sequence at once and nothing cached. Slow, and what the
/// backends are held against.
public struct ReferenceModel: Sendable {
    /// How keys and values are kept between the operations.
    public enum KeyValuePrecision: Sendable {
        /// As they are computed.
        case double
        /// Rounded to 16 bits, as the pages of a KV cache hold them.
        case half
    }

    /// What is computed.
    public let graph: ModelGraph
    /// The model's shape.
    public let configuration: ModelConfiguration
    private let weights: [String: WeightTensor]
    private let keyValuePrecision: KeyValuePrecision

    /// The model in a file.
    public init(_ file: LanguageModelFile, keyValuePrecision: KeyValuePrecision = .double) {
        self.init(
            configuration: file.configuration, weights: file.weights,
            keyValuePrecision: keyValuePrecision)
    }

    /// A model from its parts.
    public init(
        configuration: ModelConfiguration, weights: ModelWeights,
        keyValuePrecision: KeyValuePrecision = .double
    ) {
        self.configuration = configuration
        graph = ModelGraph(configuration)
        self.weights = weights.byName
        self.keyValuePrecision = keyValuePrecision
    }

    /// The logits after each token of a sequence: `tokens.count` rows of the vocabulary.
    /// - Parameter tokens: numbers below the vocabulary's size.
    public func logits(_ tokens: [TokenID]) -> [[Float]] {
        let table =
            values(tokens) { id, _ in id == graph.output }[graph.output]
            ?? ReferenceTable(
                rows: 0, columns: configuration.vocabularySize)
        return (0..<tokens.count).map { table.row($0).map(Float.init) }
    }

    /// The values of a sequence that `isWanted` picks, by their numbers in the graph: tokens times
    /// columns, row by row.
    public func values(
        _ tokens: [TokenID], where isWanted: (ModelGraph.ValueID, ModelGraph.Value) -> Bool
    ) -> [ModelGraph.ValueID: [Float]] {
        values(tokens, isWanted).mapValues { $0.numbers.map(Float.init) }
    }

    private func values(
        _ tokens: [TokenID], _ isWanted: (ModelGraph.ValueID, ModelGraph.Value) -> Bool
    ) -> [ModelGraph.ValueID: ReferenceTable] {
        precondition(
            tokens.allSatisfy { $0 >= 0 && Int($0) < configuration.vocabularySize },
            "a token beyond the vocabulary")
        var live: [ModelGraph.ValueID: ReferenceTable] = [:]
        let lastUse = lastUses()
        for (index, node) in graph.nodes.enumerated() {
            let inputs = node.inputs.map { id -> ReferenceTable in
                guard let table = live[id] else {
                    preconditionFailure("a graph's operations come in order")
                }
                return table
            }
            live[node.output] = compute(node.operation, inputs, tokens)
            for id in node.inputs where lastUse[id] == index && !isWanted(id, graph.values[id]) {
                live[id] = nil
            }
        }
        return live.filter { isWanted($0.key, graph.values[$0.key]) }
    }

    /// The node that reads each value last: after it the value is dropped.
    private func lastUses() -> [ModelGraph.ValueID: Int] {
        var last: [ModelGraph.ValueID: Int] = [:]
        for (index, node) in graph.nodes.enumerated() {
            for id in node.inputs { last[id] = index }
        }
        return last
    }

    private func tensor(_ weight: ModelGraph.Weight) -> WeightTensor {
        guard let tensor = weights[weight.name] else {
            preconditionFailure("the model has no tensor \(weight.name)")
        }
        precondition(tensor.rows == weight.rows && tensor.columns == weight.columns)
        return tensor
    }

    private func compute(
        _ operation: ModelGraph.Operation, _ inputs: [ReferenceTable], _ tokens: [TokenID]
    ) -> ReferenceTable {
        switch operation {
        case .embedding(let weight):
            let matrix = tensor(weight)
            var table = ReferenceTable(rows: tokens.count, columns: weight.columns)
            for (row, token) in tokens.enumerated() {
                table.set(row, matrix.floats(row: Int(token)).map(Double.init))
            }
            return table
        case .normalise(let gain, let epsilon):
            return inputs[0].normalised(
                gain: tensor(gain).floats().map(Double.init), epsilon: Double(epsilon))
        case .linear(let weight, let bias):
            return inputs[0].multiplied(
                by: tensor(weight), bias: bias.map { tensor($0).floats().map(Double.init) })
        case .rotate(let rotation, let headWidth):
            return inputs[0].rotated(rotation, headWidth: headWidth)
        case .attention(let heads, let keyValueHeads, let headWidth, let scale):
            let keep = { (table: ReferenceTable) -> ReferenceTable in
                keyValuePrecision == .half ? table.roundedToHalf() : table
            }
            return ReferenceAttention(
                heads: heads, keyValueHeads: keyValueHeads, headWidth: headWidth,
                scale: Double(scale)
            ).mixed(inputs[0], keep(inputs[1]), keep(inputs[2]))
        case .gatedSiLU: return inputs[0].gating(inputs[1])
        case .add: return inputs[0].adding(inputs[1])
        }
    }
}
