import KapokModel
import KapokWorld
import Testing

@testable import KapokInference

@Suite("The prefix cache finds pages by all the tokens before their end")
struct PrefixCacheTests {
    private let first: [TokenID] = Array(1...16)
    private let second: [TokenID] = Array(17...32)

    private func cache(hashBits: Int = 64) -> PrefixCache {
        PrefixCache(pages: 64, salt: 7, hashBits: hashBits, trustsHash: false)
    }

    @Test("the same tokens after the same history are found, and after another one are not")
    func histories() {
        var cache = cache()
        let root = cache.hash(first[...], after: nil)
        let next = cache.hash(second[...], after: root)
        #expect(
            cache.publish(3, hash: root, tokens: first[...], parent: PageLinks.none) == .published)
        #expect(cache.publish(5, hash: next, tokens: second[...], parent: 3) == .published)
        #expect(cache.find(hash: next, tokens: second[...], parent: 3) == 5)
        #expect(cache.find(hash: next, tokens: second[...], parent: 4) == nil)
        #expect(cache.find(hash: next, tokens: first[...], parent: 3) == nil)
        let alone = cache.hash(second[...], after: nil)
        #expect(cache.find(hash: alone, tokens: second[...], parent: PageLinks.none) == nil)
    }

    @Test("a second page with the same contents gives the first one")
    func duplicates() {
        var cache = cache()
        let hash = cache.hash(first[...], after: nil)
        _ = cache.publish(3, hash: hash, tokens: first[...], parent: PageLinks.none)
        let again = cache.publish(9, hash: hash, tokens: first[...], parent: PageLinks.none)
        #expect(again == .duplicate(3))
        #expect(!cache.knows(9))
        #expect(cache.count == 1)
    }

    @Test("where hashes meet, tokens decide")
    func collisions() {
        var cache = cache(hashBits: 1)
        var found = 0
        for number in 0..<64 as Range<TokenID> {
            let tokens = Array(repeating: number, count: KVPage.tokens)
            let hash = cache.hash(tokens[...], after: nil)
            let result = cache.publish(
                PageID(number), hash: hash, tokens: tokens[...], parent: PageLinks.none)
            switch result {
            case .published: found += 1
            case .collision:
                #expect(cache.find(hash: hash, tokens: tokens[...], parent: PageLinks.none) == nil)
            case .duplicate: Issue.record("no two of these pages are equal")
            }
        }
        #expect(found == 2)
        #expect(cache.isConsistent)
    }

    @Test("a page that is forgotten is not found")
    func forgetting() {
        var cache = cache()
        let hash = cache.hash(first[...], after: nil)
        _ = cache.publish(3, hash: hash, tokens: first[...], parent: PageLinks.none)
        cache.forget(3)
        #expect(cache.find(hash: hash, tokens: first[...], parent: PageLinks.none) == nil)
        #expect(cache.count == 0)
    }

    @Test("hashes differ between servers, so that clients cannot make them meet")
    func salt() {
        let other = PrefixCache(pages: 1, salt: 8, hashBits: 64, trustsHash: false)
        #expect(cache().hash(first[...], after: nil) != other.hash(first[...], after: nil))
    }
}
