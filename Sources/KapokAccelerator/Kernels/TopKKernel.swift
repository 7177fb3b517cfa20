internal import KapokWorld

/// The largest elements of each row with their places, in descending order; equal ones in the order
/// of their places.
///
/// Rows lie in partitions. The vector engine finds the eight largest of 128 rows in one pass, their
/// places in a second one, and strikes them out in a third; `k` elements take `k / 8` rounds. A row
/// is loaded once and worked on in place. Only the vector engine can search, so its passes are the
/// bound (3 cycles an element and round, less the last strike); transfers of other rows hide behind
/// them.
struct TopKKernel: LibraryKernel {
    let name = "topk"
    let summary = "the k largest elements of each row of a matrix, and their places"
    let parameters = [
        KernelParameterDefinition("rows", 1024, 1...1_048_576, "the number of rows"),
        KernelParameterDefinition(
            "columns", 4096, VectorEngine.largest8Elements, "the length of a row"),
        KernelParameterDefinition("k", 8, 1...256, "how many elements of a row are taken"),
    ]
    let variants = [KernelVariant("tuned", "eight a round, struck out in place")]
    let elementTypes: [ElementType] = [.fp32, .bf16, .fp16]

    /// What one search finds.
    private static let found = 8

    func problem(with arguments: KernelArguments) -> String? {
        let (k, columns) = (arguments["k"], arguments["columns"])
        return k <= columns ? nil : "\(k) elements of rows that have \(columns)"
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let shape = [arguments["rows"], arguments["columns"]]
        let taken = [arguments["rows"], arguments["k"]]
        return [
            TensorDeclaration(name: "x", shape: shape, type: arguments.type, role: .input),
            TensorDeclaration(name: "values", shape: taken, type: arguments.type, role: .output),
            TensorDeclaration(name: "places", shape: taken, type: .uint32, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shapes = tensors(arguments).map(\.shape)
        let x = k.input("x", shapes[0], type)
        let values = k.output("values", shapes[1], type)
        let places = k.output("places", shapes[2], Unsigned32.self)
        let taken = arguments["k"]
        let rounds = (taken + Self.found - 1) / Self.found
        k.loop("rows", over: arguments["rows"], by: k.machine.partitions) { row in
            let work = k.sbuf("work", [row.count, arguments["columns"]], type)
            let best = k.sbuf("best", [row.count, rounds * Self.found], type)
            let found = k.sbuf("found", [row.count, rounds * Self.found], Unsigned32.self)
            k.load(into: work, from: x[row])
            k.loop("round", over: rounds * Self.found, by: Self.found) { round in
                k.vector.largest8(into: best[.all, round], work)
                k.vector.findIndex8(into: found[.all, round], values: best[.all, round], in: work)
                if !round.isLast {
                    k.vector.matchReplace8(
                        into: work, work, values: best[.all, round], replacement: -.infinity)
                }
            }
            k.scalar.store(into: values[row], from: best[.all, ..<taken])
            k.scalar.store(into: places[row], from: found[.all, ..<taken])
        }
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let x = inputs["x"] ?? []
        let (columns, taken) = (arguments["columns"], arguments["k"])
        var values: [Double] = []
        var places: [Double] = []
        for start in stride(from: 0, to: x.count, by: columns) {
            let order = (0..<columns).sorted {
                (x[start + $1], $0) < (x[start + $0], $1)
            }
            for place in order.prefix(taken) {
                values.append(x[start + place])
                places.append(Double(place))
            }
        }
        return ["values": values, "places": places]
    }

    /// Nothing is computed: values and places are exact.
    func bound(_ arguments: KernelArguments) -> ErrorBound { ErrorBound(absolute: 0, relative: 0) }
}
