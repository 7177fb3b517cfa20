/// A compiled regular expression over text that need not be valid UTF-8.
struct Pattern: @unchecked Sendable {
    private let instructions: [PatternInstruction]
    private let sets: [PatternSet]
    /// For each set: membership of ASCII (128 bytes), then of all properties (256).
    private let members: [UInt8]
    /// Which sets must be asked for each character outside ASCII.
    private let needsScalar: [Bool]

    init(_ source: String) {
        let compiler = PatternCompiler(source)
        instructions = compiler.instructions
        sets = compiler.sets
        needsScalar = sets.map(\.needsScalar)
        var members: [UInt8] = []
        for set in sets {
            for ascii in UInt32(0)..<128 {
                let isMember = set.contains(ascii, UnicodeTable.shared.properties(ascii))
                members.append(isMember ? 1 : 0)
            }
            for raw in 0..<256 {
                // A scalar that is in no range: sets with ranges outside ASCII are asked again.
                let isMember = set.contains(.max, ScalarProperties(rawValue: UInt8(raw)))
                members.append(isMember ? 1 : 0)
            }
        }
        self.members = members
    }

    /// Cuts `text` from `start` to `end` into matches and what lies between them, and adds the ends
    /// of all pieces to `ends`: the behaviour "isolated" of HF's `Split`.
    func split(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int, into ends: inout [Int]
    ) {
        var state = Matcher(pattern: self, text: text, start: start, end: end)
        var pieceStart = start
        var index = start
        while index < end {
            let match = state.match(at: index)
            if let match, match > index {
                if index > pieceStart { ends.append(index) }
                ends.append(match)
                pieceStart = match
                index = match
            } else {
                if match != nil, index > pieceStart {
                    ends.append(index)
                    pieceStart = index
                }
                index += UTF8Text.decode(text, at: index, end: end).length
            }
        }
        if pieceStart < end { ends.append(end) }
    }

    /// One search's state.
    private struct Matcher {
        private struct Choice {
            var instruction: Int
            var index: Int
            /// For a run: the least index that it may give back to; else `once` or `failure`.
            var least: Int

            static let once = -1
            /// No choice: all ends of the run `instruction`, which went from `index` on, failed.
            static let failure = -2
        }

        /// Runs shorter than this are tried again rather than remembered.
        private static let longRun = 64

        let pattern: Pattern
        let text: UnsafePointer<UInt8>
        let start: Int
        let end: Int
        private var choices: [Choice] = []
        /// For each instruction that is a run: where one began whose every end failed, and where it
        /// ended. One that begins later ends at some of the same places, so it fails too: without
        /// this, patterns that begin with a run take quadratic time.
        private var failures: [Range<Int>]
        /// For each such instruction: where its latest long run ended.
        private var runEnds: [Int]

        init(pattern: Pattern, text: UnsafePointer<UInt8>, start: Int, end: Int) {
            self.pattern = pattern
            self.text = text
            self.start = start
            self.end = end
            failures = Array(repeating: 0..<0, count: pattern.instructions.count)
            runEnds = Array(repeating: 0, count: pattern.instructions.count)
        }

        /// The end of a match that begins at `index`.
        mutating func match(at index: Int) -> Int? {
            pattern.members.withUnsafeBufferPointer { members in
                pattern.instructions.withUnsafeBufferPointer { instructions in
                    run(instructions, members, from: 0, at: index)
                }
            }
        }

        /// The length of the character at `index`, which is below `end`, when it is in `set`;
        /// else 0.
        @inline(__always)
        private func taken(
            _ set: Int, _ members: UnsafeBufferPointer<UInt8>, at index: Int
        ) -> Int {
            let byte = text[index]
            if byte < 0x80 { return Int(members[set &* 384 &+ Int(byte)]) }
            let (scalar, length) = UTF8Text.decode(text, at: index, end: end)
            let properties = UnicodeTable.shared[scalar]
            let isMember =
                pattern.needsScalar[set]
                ? pattern.sets[set].contains(scalar, ScalarProperties(rawValue: properties))
                : members[set &* 384 &+ 128 &+ Int(properties)] != 0
            return isMember ? length : 0
        }

        private mutating func run(
            _ instructions: UnsafeBufferPointer<PatternInstruction>,
            _ members: UnsafeBufferPointer<UInt8>, from first: Int, at index: Int
        ) -> Int? {
            let base = choices.count
            var pointer = first
            var index = index
            while true {
                var failed = false
                switch instructions[pointer] {
                case .matched:
                    choices.removeLast(choices.count - base)
                    return index
                case .one(let set):
                    let length = index < end ? taken(set, members, at: index) : 0
                    index += length
                    failed = length == 0
                case .run(let set, let minimum, let maximum, let isPossessive):
                    if failures[pointer].contains(index) {
                        failed = true
                        break
                    }
                    let first = index
                    var least = index
                    var count = 0
                    while index < end, count < maximum {
                        let length = taken(set, members, at: index)
                        if length == 0 { break }
                        index += length
                        count += 1
                        if count == minimum { least = index }
                    }
                    failed = count < minimum
                    if !failed && index > least && !isPossessive {
                        if maximum == .max && index - first > Self.longRun {
                            runEnds[pointer] = index
                            choices.append(
                                Choice(
                                    instruction: pointer, index: first, least: Choice.failure))
                        }
                        choices.append(
                            Choice(instruction: pointer + 1, index: index, least: least))
                    }
                case .split(let first, let second):
                    choices.append(Choice(instruction: second, index: index, least: Choice.once))
                    pointer = first - 1
                case .jump(let to): pointer = to - 1
                case .look(let isNegated, let next):
                    let found = run(instructions, members, from: pointer + 1, at: index) != nil
                    failed = found == isNegated
                    pointer = next - 1
                case .end: failed = index != end
                case .wordBoundary: failed = !isWordBoundary(index)
                }
                pointer += 1
                if failed {
                    guard let choice = back(to: base) else { return nil }
                    (pointer, index) = choice
                }
            }
        }

        /// The latest choice that is still open.
        private mutating func back(to base: Int) -> (pointer: Int, index: Int)? {
            while choices.count > base, let choice = choices.last, choice.least == Choice.failure {
                failures[choice.instruction] = choice.index..<runEnds[choice.instruction]
                choices.removeLast()
            }
            guard choices.count > base, let choice = choices.last else { return nil }
            if choice.least == Choice.once {
                choices.removeLast()
                return (choice.instruction, choice.index)
            }
            let index = UTF8Text.previous(text, before: choice.index, start: choice.least)
            if index > choice.least {
                choices[choices.count - 1].index = index
            } else {
                choices.removeLast()
            }
            return (choice.instruction, index)
        }

        private func isWordBoundary(_ index: Int) -> Bool {
            let before =
                index > start && isWord(UTF8Text.previous(text, before: index, start: start))
            return before != (index < end && isWord(index))
        }

        private func isWord(_ index: Int) -> Bool {
            Pattern.isWord(UTF8Text.decode(text, at: index, end: end).scalar)
        }
    }

    /// Whether `\w` matches `scalar` in Oniguruma: letters, marks, decimal and letter numbers,
    /// connectors, letters in circles and squares, fractions and superscripts of Latin-1.
    static func isWord(_ scalar: UInt32) -> Bool {
        switch UnicodeTable.shared.properties(scalar).category {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .letterNumber,
            .connectorPunctuation:
            return true
        case .otherNumber: return scalar < 0x100
        case .otherSymbol:
            return (0x24B6...0x24E9).contains(scalar) || (0x1F130...0x1F149).contains(scalar)
                || (0x1F150...0x1F169).contains(scalar) || (0x1F170...0x1F189).contains(scalar)
        default: return false
        }
    }
}
