import KapokStore
import KapokWorld
import Testing

@testable import KapokS3

@Suite("Listings of objects")
struct ListingTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    private func list(
        prefix: String = "", delimiter: String? = nil, after: String? = nil, limit: Int = 1000
    ) async throws -> ListPage {
        var request = ListRequest()
        request.prefix = prefix
        request.delimiter = delimiter
        request.after = after
        request.limit = limit
        return try await catalog.listObjects("bucket", request)
    }

    private func fill(_ keys: [String]) async throws {
        try await catalog.createBucket("bucket")
        for key in keys { try await region.put("bucket", key) }
    }

    @Test("keys are listed in the order of their bytes")
    func order() async throws {
        let keys = ["a", "a\u{1}", "a b", "a/b", "ab", "b", "Z", "é", "z", "\u{10FFFF}", "~"]
        try await fill(keys)
        let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try await list().items.map(\.key) == sorted)
    }

    @Test("an item tells size, ETag, date and checksum")
    func item() async throws {
        try await catalog.createBucket("bucket")
        let put = try await region.put("bucket", "key", "hello", checksum: .sha256)
        let item = try #require(try await list().items.first)
        #expect(item.key == "key")
        #expect(item.length == 5)
        #expect(item.eTag == put.eTag)
        #expect(item.checksum == put.checksum)
        #expect(item.modifiedMilliseconds == put.modifiedMilliseconds)
    }

    @Test("keys with the delimiter behind the prefix are rolled up")
    func commonPrefixes() async throws {
        try await fill(["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud"])
        let top = try await list(delimiter: "/")
        #expect(top.items.map(\.key) == ["asdf"])
        #expect(top.commonPrefixes == ["boo/", "cquux/"])
        let boo = try await list(prefix: "boo/", delimiter: "/")
        #expect(boo.items.map(\.key) == ["boo/bar"])
        #expect(boo.commonPrefixes == ["boo/baz/"])
    }

    @Test("a page counts keys and common prefixes, and the next begins behind its last")
    func pages() async throws {
        try await fill(["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud"])
        let first = try await list(delimiter: "/", limit: 1)
        #expect(first.items.map(\.key) == ["asdf"])
        #expect(first.next == "asdf")
        let second = try await list(delimiter: "/", after: first.next, limit: 1)
        #expect(second.commonPrefixes == ["boo/"])
        #expect(second.next == "boo/")
        let third = try await list(delimiter: "/", after: second.next, limit: 1)
        #expect(third.commonPrefixes == ["cquux/"])
        #expect(third.next == nil)
    }

    @Test("a delimiter may have several characters, and be any character")
    func delimiters() async throws {
        try await fill(["a--b", "a-b", "b%c", "x--", "--x"])
        #expect(try await list(delimiter: "--").commonPrefixes == ["--", "a--", "x--"])
        #expect(try await list(delimiter: "%").commonPrefixes == ["b%"])
        #expect(try await list(delimiter: "q").items.count == 5)
        #expect(try await list(delimiter: "\0").items.count == 5)
    }

    @Test("a marker within a common prefix skips what is rolled up with it")
    func markerInside() async throws {
        try await fill(["a/1", "a/2", "a/3", "b"])
        let page = try await list(delimiter: "/", after: "a/1")
        #expect(page.commonPrefixes.isEmpty)
        #expect(page.items.map(\.key) == ["b"])
        #expect(try await list(after: "a/1").items.map(\.key) == ["a/2", "a/3", "b"])
    }

    @Test("a page of no keys is empty and complete; a limit above 1,000 is 1,000")
    func limits() async throws {
        try await fill((0..<1001).map { "key\($0 + 10_000)" })
        let none = try await list(limit: 0)
        #expect(none.items.isEmpty && none.next == nil)
        let page = try await list(limit: 5000)
        #expect(page.items.count == 1000)
        #expect(page.next == "key10999")
        let rest = try await list(after: page.next)
        #expect(rest.items.map(\.key) == ["key11000"])
    }

    @Test("a prefix or marker that no key can have is no error")
    func oddBounds() async throws {
        try await fill(["a", "b"])
        let long = String(repeating: "a", count: 3000)
        #expect(try await list(prefix: "a\0").items.isEmpty)
        #expect(try await list(prefix: long).items.isEmpty)
        #expect(try await list(after: long).items.map(\.key) == ["b"])
        #expect(try await list(after: "a\0b").items.map(\.key) == ["b"])
        #expect(try await list(after: "\n").items.map(\.key) == ["a", "b"])
        #expect(try await list(prefix: "b", after: "a").items.map(\.key) == ["b"])
        #expect(try await list(prefix: "a", after: "b").items.isEmpty)
    }

    @Test("a bucket that is not there cannot be listed")
    func noBucket() async {
        await expectRefusal(.noSuchBucket) { try await list() }
    }

    @Test("a listing reads a few rows for each common prefix, however many it rolls up")
    func cost() async throws {
        var keys: [String] = []
        for group in 0..<10 { keys += (0..<300).map { "g\(group)/\($0)" } }
        try await fill(keys)
        let before = region.store.rowsRead
        #expect(try await list(delimiter: "/").commonPrefixes.count == 10)
        #expect(region.store.rowsRead - before <= 10 * 16)
    }

    // MARK: Against a model

    /// What a listing is, said plainly.
    private static func model(
        _ keys: [[UInt8]], prefix: [UInt8], delimiter: [UInt8], after: [UInt8], limit: Int
    ) -> (items: [[UInt8]], prefixes: [[UInt8]], next: [UInt8]?) {
        func common(_ key: [UInt8]) -> [UInt8]? {
            guard !delimiter.isEmpty, key.starts(with: prefix) else { return nil }
            for i in key.indices.dropFirst(prefix.count)
            where key[i...].starts(with: delimiter) {
                return Array(key[..<(i + delimiter.count)])
            }
            return nil
        }
        var items: [[UInt8]] = []
        var prefixes: [[UInt8]] = []
        var last: [UInt8] = []
        for key in keys.sorted(by: { $0.lexicographicallyPrecedes($1) })
        where key.starts(with: prefix) && after.lexicographicallyPrecedes(key) {
            let rolled = common(key)
            if let rolled, rolled == prefixes.last || after.starts(with: rolled) { continue }
            if items.count + prefixes.count == limit { return (items, prefixes, last) }
            if let rolled { prefixes.append(rolled) } else { items.append(key) }
            last = rolled ?? key
        }
        return (items, prefixes, nil)
    }

    private static func word(_ random: inout RandomStream, _ longest: Int) -> [UInt8] {
        (0..<random.below(longest + 1)).map { _ in
            Array("ab/-\u{1}~".utf8)[random.below(6)]
        }
    }

    @Test("pages agree with a plain model over random buckets", arguments: 0..<40)
    func againstModel(_ seed: Int) async throws {
        var random = RandomStream(seed: UInt64(seed))
        try await catalog.createBucket("bucket")
        var keys: Set<[UInt8]> = []
        for _ in 0..<random.below(120) {
            let key = Self.word(&random, 8)
            if !key.isEmpty { keys.insert(key) }
        }
        for key in keys { try await region.put("bucket", String(decoding: key, as: UTF8.self)) }
        for _ in 0..<100 {
            let prefix = random.chance(1, in: 2) ? [] : Self.word(&random, 3)
            let delimiter = random.chance(1, in: 3) ? [] : Self.word(&random, 2)
            let after = random.chance(1, in: 3) ? [] : Self.word(&random, 6)
            let limit = 1 + random.below(20)
            let expected = Self.model(
                Array(keys), prefix: prefix, delimiter: delimiter, after: after, limit: limit)
            let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
            let page = try await list(
                prefix: text(prefix), delimiter: text(delimiter), after: text(after), limit: limit)
            let context = "seed \(seed): \(prefix) \(delimiter) \(after) \(limit)"
            #expect(page.items.map { Array($0.key.utf8) } == expected.items, "\(context)")
            #expect(page.commonPrefixes.map { Array($0.utf8) } == expected.prefixes, "\(context)")
            #expect(page.next.map { Array($0.utf8) } == expected.next, "\(context)")
        }
    }

    @Test("walking all pages finds everything once", arguments: 0..<10)
    func walk(_ seed: Int) async throws {
        var random = RandomStream(seed: UInt64(seed) + 1000)
        try await catalog.createBucket("bucket")
        var keys: Set<[UInt8]> = []
        for _ in 0..<200 {
            let key = Self.word(&random, 6)
            if !key.isEmpty { keys.insert(key) }
        }
        for key in keys { try await region.put("bucket", String(decoding: key, as: UTF8.self)) }
        for delimiter in [[], Array("/".utf8), Array("ab".utf8)] {
            let whole = Self.model(
                Array(keys), prefix: [], delimiter: delimiter, after: [], limit: .max)
            var items: [[UInt8]] = []
            var prefixes: [[UInt8]] = []
            var after: String?
            repeat {
                let page = try await list(
                    delimiter: String(decoding: delimiter, as: UTF8.self), after: after,
                    limit: 1 + random.below(7))
                items += page.items.map { Array($0.key.utf8) }
                prefixes += page.commonPrefixes.map { Array($0.utf8) }
                after = page.next
            } while after != nil
            #expect(items == whole.items)
            #expect(prefixes == whole.prefixes)
        }
    }
}
