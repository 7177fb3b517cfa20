import ArgumentParser
import KapokAccelerator

/// The shape of a kernel: an option for each parameter that any kernel of the library has. Which
/// kernel takes which, and in what range, says `kapok kernel list KERNEL`.
struct KernelShapeOptions: ParsableArguments {
    @Option(help: "Rows of a product.") var m: Int?
    @Option(help: "Length of the contraction of a product; how many of a row are taken.")
    var k: Int?
    @Option(help: "Columns of a product.") var n: Int?
    @Option(help: "Rows of a matrix.") var rows: Int?
    @Option(help: "Columns of a matrix.") var columns: Int?
    @Option(help: "Sequences or images at a time.") var batch: Int?
    @Option(help: "Heads of queries.") var heads: Int?
    @Option(help: "Heads of keys and values.") var kvHeads: Int?
    @Option(help: "Elements of a head.") var headSize: Int?
    @Option(help: "Positions or time steps.") var sequence: Int?
    @Option(help: "1: a position sees only those before it; 0: all.") var causal: Int?
    @Option(help: "Channels.") var channels: Int?
    @Option(help: "States of a scan.") var states: Int?
    @Option(help: "Cached positions, or steps of a sequence.") var length: Int?
    @Option(help: "Columns of an image, or taps of a filter.") var width: Int?
    @Option(help: "Rows of an image.") var height: Int?
    @Option(help: "Channels of an image.") var inputs: Int?
    @Option(help: "Channels of a result.") var outputs: Int?
    @Option(help: "Rows of a filter.") var kernelHeight: Int?
    @Option(help: "Columns of a filter.") var kernelWidth: Int?
    @Option(help: "Input positions from result to result.") var stride: Int?
    @Option(help: "Zeros around an image.") var padding: Int?
    @Option(help: "Tokens.") var tokens: Int?
    @Option(help: "Elements of a token.") var model: Int?
    @Option(help: "Elements of a hidden layer.") var hidden: Int?
    @Option(help: "1: heads of queries and keys are stored element by element.")
    var elementMajor: Int?
    @Option(help: "1: neighbouring elements are rotated as pairs; 0: halves of a head.")
    var interleaved: Int?

    /// What was given, by the library's names.
    var values: [String: Int] {
        let named: [String: Int?] = [
            "m": m, "k": k, "n": n, "rows": rows, "columns": columns, "batch": batch,
            "heads": heads, "kvHeads": kvHeads, "headSize": headSize, "sequence": sequence,
            "causal": causal, "channels": channels, "states": states,
            "length": length, "width": width, "interleaved": interleaved,
            "height": height, "inputs": inputs, "outputs": outputs,
            "kernelHeight": kernelHeight, "kernelWidth": kernelWidth, "stride": stride,
            "padding": padding, "tokens": tokens, "model": model, "hidden": hidden,
            "elementMajor": elementMajor,
        ]
        return named.compactMapValues(\.self)
    }

    /// The option of a parameter of the library: `kvHeads` is `--kv-heads`.
    static func option(_ parameter: String) -> String {
        "--"
            + parameter.reduce(into: "") { text, letter in
                if letter.isUppercase { text += "-" }
                text += letter.lowercased()
            }
    }
}
