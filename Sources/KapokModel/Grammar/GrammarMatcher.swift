/// Follows a text that is generated token by token, and says which tokens may come next so that
/// the whole text conforms to a constraint.
///
/// A token may span several elements of the grammar or end inside of a character. Copies go on
/// independently; grammars, states and masks are shared by all matchers of a vocabulary, and may
/// be used from several threads.
public struct GrammarMatcher: Sendable {
    private let automaton: GrammarAutomaton
    private let vocabulary: TokenVocabulary
    private var place: GrammarAutomaton.Place
    /// The text so far: what a place is found again from when states were forgotten.
    private var text: [UInt8] = []

    /// Whether the text was ended by an end token.
    public private(set) var isComplete = false
    /// Whether the text conforms as it is now.
    public private(set) var canEnd: Bool
    private var canContinue: Bool

    /// A matcher at the beginning of a text. The grammar is compiled once for each constraint and
    /// vocabulary.
    /// - Throws: what is wrong with the constraint, and where.
    public init(
        constraint: TextConstraint, vocabulary: TokenVocabulary
    ) throws(GrammarError) {
        self.init(
            automaton: try vocabulary.automaton(for: constraint), vocabulary: vocabulary)
    }

    init(automaton: GrammarAutomaton, vocabulary: TokenVocabulary) {
        self.automaton = automaton
        self.vocabulary = vocabulary
        self.place = automaton.start
        let prospect = automaton.prospect(of: &place, history: text)
        self.canEnd = prospect.canEnd
        self.canContinue = prospect.canContinue
    }

    /// Whether the text conforms and nothing can follow it.
    public var mustEnd: Bool { canEnd && !canContinue }

    /// Takes the next token: one of the text, or an end token where the text may end. A token that
    /// may not come next is refused and changes nothing.
    public mutating func accept(_ token: TokenID) -> Bool {
        guard !isComplete else { return false }
        if vocabulary.ends.contains(token) {
            isComplete = canEnd
            return canEnd
        }
        let bytes = vocabulary.bytes(of: token)
        return !bytes.isEmpty && accept(bytes: bytes)
    }

    /// Takes the next bytes of the text, whatever tokens they are; all of them or none.
    public mutating func accept(bytes: ArraySlice<UInt8>) -> Bool {
        guard !isComplete,
            let next = automaton.advance(&place, over: bytes, history: text)
        else { return false }
        place = next
        text += bytes
        let prospect = automaton.prospect(of: &place, history: text)
        canEnd = prospect.canEnd
        canContinue = prospect.canContinue
        return true
    }

    /// Sets `mask` to the tokens that may come next: those whose texts go on with what the grammar
    /// allows, and the end tokens where the text may end. Where the vocabulary has no token to go
    /// on with, these are the end tokens alone, and `accept` refuses them.
    public func fillMask(_ mask: inout TokenMask) {
        mask.count = vocabulary.count
        if isComplete {
            mask = TokenMask(count: vocabulary.count)
        } else {
            // Place in a copy: finding it again later is the same work.
            var place = place
            mask.words = automaton.mask(at: &place, history: text, vocabulary: vocabulary)
        }
        if canEnd || mask.isEmpty {
            for token in vocabulary.ends { mask[token] = true }
        }
    }
}
