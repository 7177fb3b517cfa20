/// How byte-level BPE cuts text into pieces before it merges: GGUF's `tokenizer.ggml.pre`.
struct PieceSplitter: Sendable {
    /// One pass over the text; each cuts the pieces of the one before.
    enum Step: Sendable {
        case pattern(Pattern)
        /// Runs of decimal digits into groups of three counted from the right.
        case digitGroups(DigitGroups)
    }

    /// How the text is cut.
    enum Method: Sendable {
        case words(WordSplitter)
        case steps([Step])
    }

    let method: Method
    /// Whether a word that is a token as a whole is that token, whatever merging would give.
    let takesWholeWords: Bool
    /// Whether prompts begin with the token for it where the file does not say.
    let addsBeginningOfText: Bool
    /// Whether a letter followed by a space and a letter always is where a piece ends, so that long
    /// texts may be cut there.
    let cutsBeforeSpaces: Bool

    /// The names that `init` knows.
    static var names: [String] { PreTokenizerCatalogue.entries.flatMap(\.names).sorted() }

    /// The pre-tokenizer that GGUF calls `name`.
    init(name: String) throws(TokenizerError) {
        guard
            let entry = PreTokenizerCatalogue.entries.first(where: { $0.names.contains(name) })
        else { throw .unsupportedPreTokenizer(name) }
        self.init(entry)
    }

    init(_ entry: PreTokenizerCatalogue.Entry) {
        switch entry.rules {
        case .words(let splitter): method = .words(splitter)
        case .patterns(let sources): method = .steps(sources.map { .pattern(Pattern($0)) })
        case .groupedDigits(let groups, let sources):
            method = .steps([.digitGroups(groups)] + sources.map { .pattern(Pattern($0)) })
        }
        takesWholeWords = entry.takesWholeWords
        addsBeginningOfText = entry.addsBeginningOfText
        cutsBeforeSpaces = entry.cutsBeforeSpaces
    }

    /// The ends of all pieces of `text` from `start` to `end`, in order.
    func ends(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> [Int] {
        switch method {
        case .words(let splitter):
            var ends: [Int] = []
            var index = start
            while index < end {
                index = splitter.wordEnd(text, from: index, to: end)
                ends.append(index)
            }
            return ends
        case .steps(let steps):
            var ends = start < end ? [end] : []
            for step in steps {
                var finer: [Int] = []
                finer.reserveCapacity(ends.count)
                var from = start
                for end in ends {
                    switch step {
                    case .pattern(let pattern):
                        pattern.split(text, from: from, to: end, into: &finer)
                    case .digitGroups(let groups):
                        groups.split(text, from: from, to: end, into: &finer)
                    }
                    from = end
                }
                ends = finer
            }
            return ends
        }
    }
}
