import KapokModel
import Testing

@Suite("The reference interpreter and its graph")
struct ReferenceTests {
    @Test("logits are those of an independent program: NumPy, from the same formula")
    func numpy() throws {
        let llama = ReferenceModel(try TinyModel().file()).logits([3, 1, 4, 1, 5])
        expectClose(
            llama[4],
            [
                -1.33724, -1.0432, -0.23392, -0.42617, 0.42226, 0.4617, 0.82384, -1.08719, -0.49336,
                0.76014,
            ])
        expectClose(
            llama[1],
            [
                -0.99002, -0.2047, 0.14653, -0.99449, 0.44308, 0.78718, 0.29843, -1.30521, -0.30885,
                0.27152,
            ])
        let qwen = ReferenceModel(try TinyModel.qwen.file()).logits([2, 7, 1, 8])
        expectClose(
            qwen[3],
            [
                0.37522, 0.04319, 1.07029, 0.27407, -0.47699, 0.66925, 0.09315, 1.11361, 1.14878,
                -0.33743,
            ])
    }

    private func expectClose(_ actual: [Float], _ expected: [Float], within bound: Float = 2e-5) {
        #expect(actual.count == expected.count)
        for (a, e) in zip(actual, expected) { #expect(abs(a - e) <= bound) }
    }

    @Test("what comes later changes nothing before it")
    func causality() throws {
        let model = ReferenceModel(try TinyModel().file())
        #expect(model.logits([3, 1, 4])[2] == model.logits([3, 1, 4, 9, 2])[2])
        #expect(model.logits([]).isEmpty)
    }

    @Test("shared key heads are as good as copies of them")
    func groups() throws {
        let grouped = TinyModel()
        var full = grouped
        full.keyValueHeads = 2
        let copied = try full.file { _, parts in
            // The formula gives other numbers to a larger matrix: take the smaller one twice.
            let sources = grouped.parts
            for index in parts.indices where parts[index].name != sources[index].name {
                Issue.record("other tensors")
            }
            for index in parts.indices {
                let numbers = sources[index].numbers
                parts[index].numbers =
                    numbers.count == parts[index].numbers.count ? numbers : numbers + numbers
            }
        }
        let tokens: [TokenID] = [1, 2, 3, 4]
        #expect(
            ReferenceModel(copied).logits(tokens)
                == ReferenceModel(try grouped.file()).logits(tokens))
    }

    @Test("without rotation the order of earlier tokens does not matter; with it, it does")
    func positions() throws {
        var file = try TinyModel(layers: 1).file()
        let turned = ReferenceModel(file)
        file.configuration.layersWithoutRotation = [0]
        let plain = ReferenceModel(file)
        let difference = { (model: ReferenceModel) -> Float in
            zip(model.logits([5, 6, 7])[2], model.logits([6, 5, 7])[2])
                .reduce(0) { max($0, abs($1.0 - $1.1)) }
        }
        #expect(difference(plain) < 1e-6)
        #expect(difference(turned) > 1e-3)
    }

    @Test("keys and values of 16 bits change little, but something")
    func halves() throws {
        let file = try TinyModel().file()
        let exact = ReferenceModel(file).logits([1, 2, 3])[2]
        let rounded = ReferenceModel(file, keyValuePrecision: .half).logits([1, 2, 3])[2]
        #expect(exact != rounded)
        expectClose(rounded, exact, within: 2e-3)
    }

    @Test("a graph makes each value once, before it is read, and names weights that exist")
    func graph() throws {
        for tiny in [TinyModel(), .qwen] {
            let file = try tiny.file()
            let graph = ModelGraph(file.configuration)
            let weights = file.weights.byName
            var made: Set<ModelGraph.ValueID> = []
            for node in graph.nodes {
                #expect(node.inputs.allSatisfy(made.contains))
                #expect(made.insert(node.output).inserted)
                let columns = graph.values[node.output].columns
                switch node.operation {
                case .linear(let weight, let bias):
                    #expect(weights[weight.name]?.rows == columns)
                    #expect(weight.columns == graph.values[node.inputs[0]].columns)
                    if let bias { #expect(weights[bias.name]?.columns == columns) }
                case .normalise(let gain, _):
                    #expect(columns % gain.columns == 0)
                    #expect(weights[gain.name]?.columns == gain.columns)
                case .embedding(let weight): #expect(weights[weight.name]?.columns == columns)
                case .rotate, .attention, .gatedSiLU, .add: break
                }
            }
            #expect(made.count == graph.values.count)
            #expect(graph.values[graph.output].columns == tiny.vocabulary)
            #expect(Set(graph.values.map(\.name)).count == graph.values.count)
        }
        // Two blocks of q, o (8 x 8), k, v (4 x 8), gate, up, down (12 x 8); the output (10 x 8).
        #expect(
            ModelGraph(try TinyModel().file().configuration).multiplicationsPerToken
                == 2 * (2 * 64 + 2 * 32 + 3 * 96) + 80)
    }

    @Test("values between can be looked at by their names")
    func inspection() throws {
        let model = ReferenceModel(try TinyModel().file())
        let values = model.values([1, 2]) { _, value in value.name == "blk.0.attn_q" }
        #expect(values.count == 1)
        #expect(values.values.first?.count == 2 * 8)
    }
}
