import KapokWorld
import Testing

@testable import KapokInference

@Suite struct StopMatcherTests {
    /// What comes out when `text` is fed in `pieces`, and the stop text found.
    private func feed(_ pieces: [String], stops: [String]) -> (text: String, found: Int?) {
        var matcher = StopMatcher(stops: stops)
        var text: [UInt8] = []
        for piece in pieces {
            let progress = matcher.append(Array(piece.utf8))
            text += progress.released
            if let found = progress.found { return (String(decoding: text, as: UTF8.self), found) }
        }
        text += matcher.takeAll()
        return (String(decoding: text, as: UTF8.self), nil)
    }

    @Test("a stop text is found across pieces, and no part of it comes out")
    func acrossPieces() {
        #expect(feed(["ab", "c</", "s", "top>x"], stops: ["</stop>"]) == ("abc", 0))
        #expect(feed(["ab", "c</", "s", "tap>x"], stops: ["</stop>"]) == ("abc</stap>x", nil))
    }

    @Test("text that cannot begin a stop text comes out at once")
    func noDelay() {
        var matcher = StopMatcher(stops: ["###"])
        #expect(matcher.append(Array("abc#".utf8)).released == Array("abc".utf8))
        #expect(matcher.append(Array("d".utf8)).released == Array("#d".utf8))
    }

    @Test("of several stop texts the one that is complete first counts, of those the longest")
    func several() {
        #expect(feed(["xyz END! now"], stops: ["END", "END!", "yz"]) == ("x", 2))
        #expect(feed(["x END! now"], stops: ["END", "END!"]) == ("x ", 0))
        #expect(feed(["x THE END now"], stops: ["END", "THE END"]) == ("x ", 1))
    }

    @Test("cut anywhere, the outcome is that of a search in the whole text")
    func random() {
        var random = RandomStream(seed: 5)
        for _ in 0..<400 {
            let letters = (0..<30).map { _ in "ab"[random.below(2)] }
            let text = String(letters)
            let stops = (0..<2).map { _ in
                String((0..<(2 + random.below(4))).map { _ in "ab"[random.below(2)] })
            }
            var pieces: [String] = []
            var rest = Substring(text)
            while !rest.isEmpty {
                let count = 1 + random.below(4)
                pieces.append(String(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let found = stops.compactMap { text.firstRange(of: $0) }
                .min { ($0.upperBound, $0.lowerBound) < ($1.upperBound, $1.lowerBound) }
            let outcome = feed(pieces, stops: stops)
            #expect(outcome.text == found.map { String(text[..<$0.lowerBound]) } ?? text)
            #expect((outcome.found == nil) == (found == nil))
        }
    }
}

extension String {
    fileprivate subscript(_ index: Int) -> Character {
        self[self.index(startIndex, offsetBy: index)]
    }
}

extension String {
    /// The first occurrence of `text`, by comparison at each place.
    fileprivate func firstRange(of text: String) -> Range<Index>? {
        indices.first { self[$0...].hasPrefix(text) }.map {
            $0..<index($0, offsetBy: text.count)
        }
    }
}
