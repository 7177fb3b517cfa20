import KapokWorld

/// Prompts of about so many tokens: common words, each one token in the vocabularies of today's
/// models when a space stands before it.
struct PromptText {
    private static let words = """
        the of and to in is you that it he was for on are as with his they at be this have from or
        one had by word but not what all were we when your can said there use an each which she do
        how their if will up other about out many then them these so some her would make like him
        into time has look two more write go see number no way could people my than first water
        been call who oil its now find long down day did get come made may part
        """.split { $0 == " " || $0 == "\n" }

    private let seed: RandomStream

    /// Texts of a load: equal seeds make equal texts.
    init(seed: UInt64) { self.seed = RandomStream(seed: seed) }

    /// The prompt of the load's `index`-th request: the words of its group, then its own.
    func prompt(index: Int, tokens: Int, group: Int?, groupTokens: Int) -> String {
        var text = ""
        if let group {
            var shared = seed.split("groups").split(UInt64(group))
            append(groupTokens, from: &shared, to: &text)
        }
        var own = seed.split("requests").split(UInt64(index))
        append(tokens - (group == nil ? 0 : groupTokens), from: &own, to: &text)
        return text
    }

    private func append(_ count: Int, from random: inout RandomStream, to text: inout String) {
        for _ in 0..<max(0, count) {
            text += " "
            text += Self.words[random.below(Self.words.count)]
        }
    }
}
