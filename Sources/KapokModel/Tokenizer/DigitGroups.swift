/// Cuts runs of decimal digits into groups of three from the right: 1234567 becomes 1 234 567.
struct DigitGroups: Sendable {
    /// Whether only runs that end a word are cut: `\d{1,3}(?=(?:\d{3})*\b)`.
    var onlyBeforeBoundary: Bool

    /// Adds the ends of the groups and of what lies between the runs to `ends`.
    func split(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int, into ends: inout [Int]
    ) {
        var pieceStart = start
        var index = start
        var digits: [Int] = []
        while index < end {
            let (category, length) = category(text, at: index, to: end)
            guard category == .decimalNumber else {
                index += length
                continue
            }
            digits.removeAll(keepingCapacity: true)
            while index < end {
                let (category, length) = self.category(text, at: index, to: end)
                guard category == .decimalNumber else { break }
                digits.append(index)
                index += length
            }
            if onlyBeforeBoundary, index < end,
                Pattern.isWord(UTF8Text.decode(text, at: index, end: end).scalar)
            {
                continue
            }
            if digits[0] > pieceStart { ends.append(digits[0]) }
            var next = digits.count % 3 == 0 ? 3 : digits.count % 3
            while next < digits.count {
                ends.append(digits[next])
                next += 3
            }
            ends.append(index)
            pieceStart = index
        }
        if pieceStart < end { ends.append(end) }
    }

    private func category(
        _ text: UnsafePointer<UInt8>, at index: Int, to end: Int
    ) -> (GeneralCategory, Int) {
        let (scalar, length) = UTF8Text.decode(text, at: index, end: end)
        return (UnicodeTable.shared.properties(scalar).category, length)
    }
}
