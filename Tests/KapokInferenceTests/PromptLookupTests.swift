import KapokModel
import Testing

@testable import KapokInference

@Suite struct PromptLookupTests {
    @Test("what followed the last tokens before follows them again")
    func repeats() {
        let tokens: [TokenID] = [1, 2, 3, 4, 5, 9, 2, 3, 4]
        #expect(PromptLookup.drafts(after: tokens, count: 2) == [5, 9])
        #expect(PromptLookup.drafts(after: tokens, count: 9) == [5, 9, 2, 3, 4])
    }

    @Test("the longest match counts, of equals the latest")
    func longest() {
        let tokens: [TokenID] = [1, 2, 3, 7, 2, 3, 8, 2, 3, 9, 5, 1, 2, 3]
        #expect(PromptLookup.drafts(after: tokens, count: 1) == [7])
        let others: [TokenID] = [2, 3, 7, 2, 3, 8, 5, 2, 3]
        #expect(PromptLookup.drafts(after: others, count: 1) == [8])
    }

    @Test("one token alone proposes nothing, nor does a text without repetition")
    func nothing() {
        #expect(PromptLookup.drafts(after: [5, 1, 5], count: 4).isEmpty)
        #expect(PromptLookup.drafts(after: [1, 2, 3, 4], count: 4).isEmpty)
        #expect(PromptLookup.drafts(after: [], count: 4).isEmpty)
        #expect(PromptLookup.drafts(after: [1, 2, 1, 2], count: 0).isEmpty)
    }

    @Test("a text that repeats itself at once proposes its own continuation")
    func overlap() {
        #expect(PromptLookup.drafts(after: [7, 7, 7, 7, 7, 7], count: 3) == [7])
    }
}
