import Crypto
public import KapokModel
import KapokWorld

/// Says which model a process runs, and how it computes, in 32 bytes: two processes with different
/// ones must not exchange keys and values.
public enum ModelFingerprint {
    /// Of each tensor so many pieces are read, evenly spread, the first and the last among them.
    /// A file of many gigabytes is told from another one without reading all of it; files made
    /// to differ only elsewhere are not: that is what `--transfer-key` is for.
    private static let pieces = 16
    private static let pieceBytes = 4096

    /// SHA-256 over the configuration, and each tensor's name, type, shape and samples of bytes.
    ///
    /// - Parameter arithmetic: what else changes the bits of keys and values: the kernels that were
    ///   chosen at run time, the version of the graph. Pages computed with other kernels would be
    ///   as good, but texts would no longer be the same to the last bit.
    public static func of(
        _ configuration: ModelConfiguration, _ weights: ModelWeights, arithmetic: String
    ) -> [UInt8] {
        var hash = SHA256()
        var writer = ByteWriter()
        writer.string("kapok model fingerprint 1")
        writer.string(arithmetic)
        writer.string(configuration.architecture)
        for number in [
            configuration.layers, configuration.width, configuration.feedForwardWidth,
            configuration.heads, configuration.keyValueHeads, configuration.headWidth,
            configuration.vocabularySize, configuration.rope.rotatedWidth,
            configuration.rope.pairing == .adjacent ? 0 : 1, configuration.tiesEmbeddings ? 1 : 0,
            configuration.hasAttentionBias ? 1 : 0,
            configuration.normalisesQueriesAndKeys ? 1 : 0,
        ] { writer.uint64(UInt64(number)) }
        for layer in configuration.layersWithoutRotation.sorted() {
            writer.uint64(UInt64(layer))
        }
        writer.uint32(configuration.normEpsilon.bitPattern)
        writer.uint32(configuration.rope.magnitude.bitPattern)
        for frequency in configuration.rope.frequencies { writer.uint32(frequency.bitPattern) }
        hash.update(data: writer.bytes)
        for tensor in tensors(of: weights) { add(tensor, to: &hash) }
        return Array(hash.finalize())
    }

    private static func tensors(of weights: ModelWeights) -> [WeightTensor] {
        var all = [weights.embedding]
        for layer in weights.layers {
            all += [
                layer.attentionNorm, layer.query, layer.key, layer.value, layer.output,
                layer.feedForwardNorm, layer.gate, layer.up, layer.down,
            ]
            all += [
                layer.queryBias, layer.keyBias, layer.valueBias, layer.queryNorm, layer.keyNorm,
            ].compactMap { $0 }
        }
        return all + [weights.outputNorm, weights.output]
    }

    private static func add(_ tensor: WeightTensor, to hash: inout SHA256) {
        var writer = ByteWriter()
        writer.string(tensor.name)
        writer.uint32(tensor.type.rawValue)
        writer.uint64(UInt64(tensor.columns))
        writer.uint64(UInt64(tensor.rows))
        writer.uint64(UInt64(tensor.bytes.count))
        hash.update(data: writer.bytes)
        let bytes = tensor.bytes
        guard bytes.count > pieces * pieceBytes else {
            return hash.update(bufferPointer: bytes)
        }
        let last = bytes.count - pieceBytes
        for piece in 0..<pieces {
            let start = last / (pieces - 1) * piece
            let from = piece == pieces - 1 ? last : start
            hash.update(
                bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[from..<from + pieceBytes]))
        }
        withExtendedLifetime(tensor.owner) {}
    }
}
