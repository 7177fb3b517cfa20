/// What one of several cores computes when a model is split over them (tensor parallel): some query
/// heads with the heads of keys and values that they need, some rows of the feed-forward layer and
/// of the vocabulary. The residual stream, the norms and the embedding are on every core.
public struct CoreShare: Hashable, Sendable {
    /// Query heads, as consecutive ones; empty for a core that sits out attention.
    public var heads: Range<Int>
    /// Heads of keys and values that these use. A head that several cores use is computed and kept
    /// by each of them.
    public var keyValueHeads: Range<Int>
    /// Rows of gate and up, columns of down.
    public var hidden: Range<Int>
    /// Rows of the output matrix.
    public var vocabulary: Range<Int>

    /// The shares of `cores` cores, by core.
    ///
    /// With at least as many heads of keys as cores, each core gets whole groups (a head of keys
    /// and the query heads that share it). With fewer, each group gets some cores, as evenly as
    /// possible, and its query heads are dealt to them: every query head is computed once, heads of
    /// keys several times.
    public static func all(
        of block: DecoderBlock.Shape, vocabulary: Int, cores: Int
    ) -> [CoreShare] {
        precondition(cores >= 1, "a model runs on at least one core")
        let group = block.heads / block.keyValueHeads
        var heads: [(Range<Int>, Range<Int>)] = []
        if block.keyValueHeads >= cores {
            heads = (0..<cores).map { core in
                let groups = piece(core, of: block.keyValueHeads, among: cores)
                return (groups.lowerBound * group..<groups.upperBound * group, groups)
            }
        } else {
            for index in 0..<block.keyValueHeads {
                let members = piece(index, of: cores, among: block.keyValueHeads).count
                for member in 0..<members {
                    let own = piece(member, of: group, among: members)
                    let first = index * group
                    let isIdle = own.isEmpty
                    heads.append(
                        (
                            first + own.lowerBound..<first + own.upperBound,
                            isIdle ? index..<index : index..<(index + 1)
                        ))
                }
            }
        }
        return (0..<cores).map { core in
            CoreShare(
                heads: heads[core].0, keyValueHeads: heads[core].1,
                hidden: piece(core, of: block.hidden, among: cores),
                vocabulary: piece(core, of: vocabulary, among: cores))
        }
    }

    /// Part `index` of `total` things dealt in order to `count`: the first parts are the larger
    /// ones, by one.
    private static func piece(_ index: Int, of total: Int, among count: Int) -> Range<Int> {
        let (size, larger) = (total / count, total % count)
        let start = index * size + min(index, larger)
        return start..<(start + size + (index < larger ? 1 : 0))
    }
}

extension DecoderBlock.Shape {
    /// The shape of a core's share of the block.
    public func share(_ share: CoreShare) -> DecoderBlock.Shape {
        var shape = self
        shape.heads = share.heads.count
        shape.keyValueHeads = share.keyValueHeads.count
        shape.hidden = share.hidden.count
        return shape
    }
}
