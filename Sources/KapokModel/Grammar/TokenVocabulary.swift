import Synchronization

/// The texts of a tokenizer's tokens, arranged for finding those that a grammar allows. It is made
/// once for a model (tens of milliseconds) and shared by all requests; grammars that were compiled
/// for it stay with it.
public final class TokenVocabulary: Sendable {
    /// How many tokens there are.
    public let count: Int
    /// The tokens that end a generation.
    public let ends: Set<TokenID>

    private let storage: [UInt8]
    private let starts: [Int32]
    /// All tokens with a text.
    let all: TokenTrie
    /// Tokens that are not plain text inside a JSON string: with a quotation mark, a backslash, a
    /// control character, or a part of a character.
    let special: TokenTrie
    /// The plain tokens of up to k characters, for each k from 0 to `longestPlain`.
    let plain: [[UInt64]]
    /// Plain tokens with more characters count as special.
    static let longestPlain = 32

    private let compiled = Mutex(CompiledGrammars())

    /// The vocabulary of a tokenizer. Tokens of control are never part of a text.
    public convenience init(_ tokenizer: any Tokenizer) {
        self.init(
            texts: (0..<tokenizer.vocabularySize).map {
                let token = TokenID($0)
                return tokenizer.isControl(token) ? [] : tokenizer.bytes(of: token)
            }, ends: tokenizer.endOfGeneration)
    }

    /// A vocabulary from each token's text; those with an empty one are never allowed, except
    /// `ends` at the end.
    public init(texts: [[UInt8]], ends: Set<TokenID>) {
        var storage: [UInt8] = []
        var starts: [Int32] = [0]
        starts.reserveCapacity(texts.count + 1)
        for text in texts {
            storage += text
            starts.append(Int32(storage.count))
        }
        self.count = texts.count
        self.ends = ends.filter { $0 >= 0 && Int($0) < texts.count }
        self.storage = storage
        self.starts = starts
        var members: [TokenID] = []
        var special: [TokenID] = []
        var masks = [TokenMask](
            repeating: TokenMask(count: texts.count), count: Self.longestPlain + 1)
        for (index, text) in texts.enumerated() where !text.isEmpty {
            let token = TokenID(index)
            guard !ends.contains(token) else { continue }
            members.append(token)
            if let length = Self.plainLength(text) {
                for k in length...Self.longestPlain { masks[k][token] = true }
            } else {
                special.append(token)
            }
        }
        func text(_ token: TokenID) -> ArraySlice<UInt8> {
            storage[Int(starts[Int(token)])..<Int(starts[Int(token) + 1])]
        }
        self.all = TokenTrie(members: members, text: text)
        self.special = TokenTrie(members: special, text: text)
        self.plain = masks.map(\.words)
    }

    /// The text of a token; empty for one of control or outside the vocabulary.
    public func bytes(of token: TokenID) -> ArraySlice<UInt8> {
        guard token >= 0, Int(token) < count else { return [] }
        return storage[Int(starts[Int(token)])..<Int(starts[Int(token) + 1])]
    }

    /// The number of characters (scalars) of a text that is plain inside a JSON string.
    private static func plainLength(_ text: [UInt8]) -> Int? {
        let isPlain = text.allSatisfy {
            $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        guard isPlain, let string = String(validating: text, as: UTF8.self) else { return nil }
        let length = string.unicodeScalars.count
        return length <= longestPlain ? length : nil
    }

    // MARK: Compiled grammars

    /// The automaton of a constraint, from an earlier request where there was one.
    func automaton(for constraint: TextConstraint) throws(GrammarError) -> GrammarAutomaton {
        if let known = compiled.withLock({ $0.find(constraint) }) { return known }
        // Compiled outside the lock: two requests may do it at once, and one result is kept.
        let program = try GrammarProgram(constraint)
        return compiled.withLock { compiled in
            if let known = compiled.find(constraint) { return known }
            let made = GrammarAutomaton(program: program)
            compiled.add(made, constraint)
            return made
        }
    }

    /// The latest grammars, the latest used last.
    private struct CompiledGrammars {
        static let limit = 32
        var entries: [(constraint: TextConstraint, automaton: GrammarAutomaton)] = []

        mutating func find(_ constraint: TextConstraint) -> GrammarAutomaton? {
            guard let index = entries.firstIndex(where: { $0.constraint == constraint }) else {
                return nil
            }
            let entry = entries.remove(at: index)
            entries.append(entry)
            return entry.automaton
        }

        mutating func add(_ automaton: GrammarAutomaton, _ constraint: TextConstraint) {
            if entries.count == Self.limit { entries.removeFirst() }
            entries.append((constraint, automaton))
        }
    }
}
