import KapokModel

/// The KV cache of the simulation: what each position of each page was computed from.
///
/// A position remembers the history (all tokens up to it) whose keys and values it has. Whoever
/// attends to it must have the same history.
struct SchedulerSweepMemory {
    private var cells: [UInt64]

    /// Pages that hold nothing of use.
    init(pages: Int) { cells = Array(repeating: 0, count: pages * KVPage.tokens) }

    private func cell(_ pages: [PageID], _ position: Int) -> Int {
        Int(pages[position / KVPage.tokens]) * KVPage.tokens + position % KVPage.tokens
    }

    /// The first position below `end` that does not hold what it should; nil when all do.
    func fault(_ pages: [PageID], _ histories: [UInt64], below end: Int) -> Int? {
        (0..<end).first { cells[cell(pages, $0)] != histories[$0] }
    }

    /// Writes a history.
    mutating func write(_ pages: [PageID], _ position: Int, _ history: UInt64) {
        cells[cell(pages, position)] = history
    }

    /// Makes positions useless: they are being written to, or what wrote to them failed.
    mutating func spoil(_ pages: [PageID], _ positions: Range<Int>) {
        for position in positions { cells[cell(pages, position)] = 0 }
    }
}
