/// How the scores of a block of queries against all keys that they see are laid out in PSUM: 128
/// keys in the partitions, queries side by side, piece after piece, in groups of whole banks.
///
/// With a causal mask the keys next to the block's own positions are seen by some of its queries
/// only. Their pieces are cut to those (512, 384, 256 and 128 queries), and packed so that as few
/// columns as possible stay empty: what is behind the mask costs nothing.
struct ScorePlan: Sendable {
    /// The scores of one tile of keys.
    struct Piece: Hashable, Sendable {
        /// The keys: up to 128, by position in the sequence.
        var keys: TileSpan
        /// The first query that sees any of them, counted in the block; all later ones do.
        var firstQuery: Int
        /// Queries: columns.
        var width: Int
        /// Whether a triangle of the first columns is masked.
        var isDiagonal: Bool
        /// The first column in the group.
        var column = 0
    }

    /// Pieces that are computed together: consecutive banks of PSUM.
    struct Group: Hashable, Sendable {
        /// Keys of each of its pieces: partitions.
        var keyCount: Int
        var pieces: [Piece]
        /// Columns in use, as few ranges as possible.
        var columns: [Range<Int>]
    }

    /// Groups in the order of their keys.
    private(set) var groups: [Group] = []

    /// - Parameters:
    ///   - queries: the block, by position in the sequence.
    ///   - sequence: the number of keys.
    ///   - isCausal: whether queries see only keys at their own position and before.
    ///   - bankColumns: columns of one bank; not fewer than the block has queries.
    ///   - banks: banks of one group.
    init(
        queries: TileSpan, sequence: Int, isCausal: Bool, tileKeys: Int, bankColumns: Int,
        banks: Int
    ) {
        var open: [Bank] = []
        let keyEnd = isCausal ? queries.start + queries.count : sequence
        for keys in TileSpan.pieces(of: keyEnd, by: tileKeys) {
            let firstQuery = isCausal ? max(0, keys.start - queries.start) : 0
            var piece = Piece(
                keys: keys, firstQuery: firstQuery, width: queries.count - firstQuery,
                isDiagonal: isCausal && keys.start >= queries.start)
            if let first = open.first, first.keyCount != keys.count { close(&open, bankColumns) }
            let place = open.firstIndex { $0.used + piece.width <= bankColumns }
            if place == nil, open.count == banks { close(&open, bankColumns) }
            if place == nil { open.append(Bank(keyCount: keys.count)) }
            let index = place ?? open.count - 1
            piece.column = index * bankColumns + open[index].used
            open[index].used += piece.width
            open[index].pieces.append(piece)
        }
        close(&open, bankColumns)
    }

    private struct Bank {
        var keyCount: Int
        var used = 0
        var pieces: [Piece] = []
    }

    /// Makes a group of the open banks.
    private mutating func close(_ open: inout [Bank], _ bankColumns: Int) {
        guard let first = open.first else { return }
        var group = Group(keyCount: first.keyCount, pieces: [], columns: [])
        for (index, bank) in open.enumerated() {
            group.pieces += bank.pieces
            let start = index * bankColumns
            if let last = group.columns.last, last.upperBound == start {
                group.columns[group.columns.count - 1] = last.lowerBound..<(start + bank.used)
            } else {
                group.columns.append(start..<(start + bank.used))
            }
        }
        groups.append(group)
        open = []
    }
}
