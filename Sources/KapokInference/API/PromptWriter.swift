import KapokModel

/// Makes the tokens of a prompt.
///
/// What people write cannot forge turns: the spelling of a control token inside of a message
/// (`<|im_end|>`) stays text, while the template's own become control tokens.
struct PromptWriter: Sendable {
    private let tokenizer: any Tokenizer
    private let contextLimit: Int
    /// The spellings of control tokens, by their first byte.
    private let controls: [UInt8: [[UInt8]]]

    init(service: any GenerationService) {
        tokenizer = service.tokenizer
        contextLimit = service.contextLimit
        var controls: [UInt8: [[UInt8]]] = [:]
        for token in 0..<tokenizer.vocabularySize where tokenizer.isControl(TokenID(token)) {
            let spelling = Array(tokenizer.piece(of: TokenID(token)).utf8)
            if let first = spelling.first { controls[first, default: []].append(spelling) }
        }
        self.controls = controls
    }

    /// Noncharacters (Unicode 16.0, 23.7) that stand around text to be taken literally.
    private static let literalBegin = String(decoding: [0xEF, 0xB7, 0x90], as: UTF8.self)
    private static let literalEnd = String(decoding: [0xEF, 0xB7, 0x91], as: UTF8.self)

    /// The prompt of a text that the client composed itself: spellings of control tokens count.
    func tokens(of text: String, addsBeginning: Bool = true) -> [TokenID] {
        withBeginning(tokenizer.encode(Array(text.utf8), special: true), adds: addsBeginning)
    }

    private func withBeginning(_ tokens: [TokenID], adds: Bool) -> [TokenID] {
        guard adds, tokenizer.addsBeginningOfText, let beginning = tokenizer.beginningOfText,
            tokens.first != beginning
        else { return tokens }
        return [beginning] + tokens
    }

    /// Marks the spellings of control tokens in `text` as literal.
    func literal(_ text: String) -> String {
        var bytes = Array(text.utf8)
        let marks = [Array(Self.literalBegin.utf8), Array(Self.literalEnd.utf8)]
        // What looks like our marks is not ours.
        if bytes.contains(0xEF), text.contains(Self.literalBegin) || text.contains(Self.literalEnd)
        {
            let clean = String(
                String.UnicodeScalarView(
                    text.unicodeScalars.map { (0xFDD0...0xFDD1) ~= $0.value ? "\u{FFFD}" : $0 }))
            bytes = Array(clean.utf8)
        }
        var result: [UInt8] = []
        var position = 0
        var changed = false
        while position < bytes.count {
            let rest = bytes[position...]
            if let spelling = controls[bytes[position]]?.filter({ rest.starts(with: $0) })
                .max(by: { $0.count < $1.count })
            {
                result += marks[0] + spelling + marks[1]
                position += spelling.count
                changed = true
            } else {
                result.append(bytes[position])
                position += 1
            }
        }
        return changed ? String(decoding: result, as: UTF8.self) : text
    }

    /// The tokens of a rendered template: control tokens everywhere but in what is marked literal.
    func tokens(ofRendered text: String) -> [TokenID] {
        var tokens: [TokenID] = []
        for (index, part) in text.split(
            separator: Self.literalBegin, omittingEmptySubsequences: false
        ).enumerated() {
            let pieces = part.split(
                separator: Self.literalEnd, maxSplits: 1, omittingEmptySubsequences: false)
            if index > 0, pieces.count == 2 {
                tokens += tokenizer.encode(Array(pieces[0].utf8), special: false)
            }
            let rest = pieces[pieces.count - 1]
            if !rest.isEmpty { tokens += tokenizer.encode(Array(rest.utf8), special: true) }
        }
        return withBeginning(tokens, adds: true)
    }

    /// Refuses prompts that leave no room for what is asked for.
    func check(_ prompt: [TokenID], newTokens: Int?, parameter: String) throws(APIError) {
        guard !prompt.isEmpty else { throw .invalid(parameter, "the prompt has no tokens") }
        guard prompt.count + (newTokens ?? 1) <= contextLimit else {
            throw .tooLong(
                prompt: prompt.count, new: newTokens, limit: contextLimit, parameter: parameter)
        }
    }
}
