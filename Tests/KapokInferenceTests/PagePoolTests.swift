import KapokModel
import KapokWorld
import Testing

@testable import KapokInference

@Suite("Pages are free, held or kept, and never two of these")
struct PagePoolTests {
    private func tokens(_ first: Int) -> ArraySlice<TokenID> {
        (0..<KVPage.tokens).map { TokenID(first + $0) }[...]
    }

    private func page(from pool: inout PagePool) throws -> PageID {
        let page = pool.allocate()
        return try #require(page)
    }

    /// Allocates a page and makes it known.
    private func known(_ pool: inout PagePool, _ first: Int, after parent: PageID?) throws -> PageID
    {
        let page = try self.page(from: &pool)
        let hash = pool.cache.hash(tokens(first), after: parent.map(UInt64.init))
        let result = pool.publish(
            page, hash: hash, tokens: tokens(first), parent: parent ?? PageLinks.none)
        #expect(result == .published)
        return page
    }

    @Test("there is no page when all are held, and one again when one is given back")
    func exhaustion() throws {
        var pool = PagePool(pages: 2, salt: 1)
        let first = try page(from: &pool)
        let second = try page(from: &pool)
        #expect(pool.allocate() == nil)
        pool.release(first)
        #expect(pool.allocate() == first)
        #expect(second != first)
        #expect(pool.heldCount == 2)
    }

    @Test("a page with two holders is free when both have given it back")
    func sharing() throws {
        var pool = PagePool(pages: 1, salt: 1)
        let page = try self.page(from: &pool)
        pool.retain(page)
        pool.release(page)
        #expect(pool.available == 0)
        pool.release(page)
        #expect(pool.available == 1)
    }

    @Test("known pages are kept when given back, and go in the order of their last use")
    func eviction() throws {
        var pool = PagePool(pages: 3, salt: 1)
        let a = try known(&pool, 0, after: nil)
        let b = try known(&pool, 100, after: nil)
        let c = try known(&pool, 200, after: nil)
        for page in [a, b, c] { pool.release(page) }
        #expect((pool.freeCount, pool.idleCount) == (0, 3))
        pool.retain(a)
        pool.release(a)
        #expect(pool.allocate() == b)
        #expect(pool.allocate() == c)
        #expect(pool.allocate() == a)
        #expect(pool.cache.count == 0)
    }

    @Test("of a chain that was given back the last page goes first")
    func chains() throws {
        var pool = PagePool(pages: 3, salt: 1)
        let a = try known(&pool, 0, after: nil)
        let b = try known(&pool, 16, after: a)
        let c = try known(&pool, 32, after: b)
        pool.release([a, b, c])
        #expect(pool.allocate() == c)
        #expect(pool.fault(holders: [0, 0, 0].withOne(at: Int(c))) == nil)
        #expect(pool.allocate() == b)
        #expect(pool.allocate() == a)
    }

    @Test(
        "the books hold after any sequence of operations", arguments: 1...20 as ClosedRange<UInt64>)
    func fuzz(seed: UInt64) {
        var random = RandomStream(seed: seed)
        var pool = PagePool(pages: 12, salt: seed, hashBits: 5)
        var chains: [[PageID]] = []
        for _ in 0..<400 {
            let choice = random.below(10)
            if choice < 4 {
                var chain: [PageID] = []
                var parent: UInt64?
                for _ in 0..<1 + random.below(4) {
                    guard let page = pool.allocate() else { break }
                    let content = tokens(random.below(4) * 100)
                    let hash = pool.cache.hash(content, after: parent)
                    let result = pool.publish(
                        page, hash: hash, tokens: content, parent: chain.last ?? PageLinks.none)
                    parent = hash
                    chain.append(page)
                    if case .duplicate(let other) = result {
                        pool.retain(other)
                        pool.release(page)
                        chain[chain.count - 1] = other
                    }
                    guard result != .collision else { break }
                }
                chains.append(chain)
            } else if choice < 6, !chains.isEmpty {
                let chain = chains[random.below(chains.count)]
                for page in chain { pool.retain(page) }
                chains.append(chain)
            } else if !chains.isEmpty {
                pool.release(chains.remove(at: random.below(chains.count)))
            }
            var holders = [UInt32](repeating: 0, count: 12)
            for page in chains.joined() { holders[Int(page)] += 1 }
            #expect(pool.fault(holders: holders) == nil)
        }
    }

    @Test("wrong books are noticed")
    func faults() throws {
        var pool = PagePool(pages: 2, salt: 1)
        let page = try self.page(from: &pool)
        #expect(pool.fault(holders: [0, 0]) != nil)
        #expect(pool.fault(holders: [0, 0].withOne(at: Int(page))) == nil)
    }
}

extension [UInt32] {
    fileprivate func withOne(at index: Int) -> [UInt32] {
        var copy = self
        copy[index] = 1
        return copy
    }
}
