/// Looks for texts that end a generation, and holds back what may be the beginning of one.
struct StopMatcher {
    private let stops: [[UInt8]]
    private let longest: Int
    /// Text that was not let go yet.
    private var held: [UInt8] = []

    /// What came of some more text.
    struct Progress {
        /// Text that is certain to be part of the answer.
        var released: [UInt8]
        /// The stop text that was found, by its number.
        var found: Int?
    }

    /// A matcher of `stops`; empty ones never match.
    init(stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }
        longest = self.stops.map(\.count).max() ?? 0
    }

    /// Takes in more text. After a match nothing more is expected.
    mutating func append(_ text: some Sequence<UInt8>) -> Progress {
        held.append(contentsOf: text)
        guard longest > 0 else { return Progress(released: takeAll(), found: nil) }
        if let (place, number) = firstMatch() {
            let released = Array(held[..<place])
            held = []
            return Progress(released: released, found: number)
        }
        let keep = heldBack()
        let released = Array(held.dropLast(keep))
        held.removeFirst(released.count)
        return Progress(released: released, found: nil)
    }

    /// The text that was held back, when nothing more comes.
    mutating func takeAll() -> [UInt8] {
        defer { held = [] }
        return held
    }

    /// The stop text that is complete first, and where it begins; of several that end at one place
    /// the longest. What is found does not depend on how the text was cut into pieces.
    private func firstMatch() -> (place: Int, number: Int)? {
        for end in 1...max(1, held.count) where end <= held.count {
            var best: Int?
            for (number, stop) in stops.enumerated()
            where !stop.isEmpty && stop.count <= end
                && held[(end - stop.count)..<end].elementsEqual(stop)
            {
                if best.map({ stops[$0].count < stop.count }) ?? true { best = number }
            }
            if let best { return (end - stops[best].count, best) }
        }
        return nil
    }

    /// The length of the longest end of the text that a stop text begins with.
    private func heldBack() -> Int {
        for length in stride(from: min(longest - 1, held.count), to: 0, by: -1)
        where stops.contains(where: { $0.count > length && $0.starts(with: held.suffix(length)) }) {
            return length
        }
        return 0
    }
}
