import KapokStore

/// Walks the objects or uploads of a bucket in order of their names, rolling up those that share a
/// prefix up to a delimiter. Past a common prefix it seeks, so that a listing costs what it
/// returns, however many names are rolled up.
struct DelimitedScan {
    enum Step {
        case row(name: String, key: StoreKey, entry: Entry)
        case commonPrefix(String)
    }

    /// Where to begin: behind `name`, and behind all that is rolled up with it.
    struct Marker {
        var name: String
        /// Of several rows with this name, begin behind this one instead of behind all.
        var row: StoreKey?
    }

    /// The most rows fetched at once.
    private static let largestPage = 1000
    /// How many rows are fetched first where much may be rolled up.
    private static let smallestPage = 16

    private let catalog: Catalog
    private let base: StoreKey
    private let prefix: [UInt8]
    private let delimiter: [UInt8]
    private var cursor: StoreKey
    private let end: StoreKey
    private var pageLimit: Int
    private var page: [(key: StoreKey, entry: Entry)] = []
    private var index = 0
    private var isExhausted = false

    /// - Parameters:
    ///   - base: what all keys of the space and bucket begin with; the name follows.
    ///   - wanted: how many steps the caller means to take, to fetch no more rows than needed.
    init(
        _ catalog: Catalog, base: StoreKey, prefix: String, delimiter: String?, after: Marker?,
        wanted: Int
    ) {
        self.catalog = catalog
        self.base = base
        self.prefix = Array(prefix.utf8)
        self.delimiter = Array((delimiter ?? "").utf8)
        let all = StoreKey(base.bytes + self.prefix)
        end = KeySpace.end(all)
        cursor = all
        pageLimit =
            self.delimiter.isEmpty ? max(1, min(wanted, Self.largestPage)) : Self.smallestPage
        // No name has a zero byte or more bytes than a key may have.
        isExhausted = self.prefix.contains(0) || self.prefix.count > ObjectKey.maximumLength
        if let after, !after.name.isEmpty { cursor = max(all, start(behind: after)) }
    }

    private func start(behind marker: Marker) -> StoreKey {
        // Names are at most this long and without zeros, so they lie behind the rest of the marker
        // exactly when they lie behind this much of it.
        let name = marker.name.utf8.prefix(ObjectKey.maximumLength).prefix { $0 != 0 }
        if let common = commonPrefix(of: Array(name)[...]) {
            return KeySpace.end(StoreKey(base.bytes + common))
        }
        if let row = marker.row { return StoreKey(row.bytes + [0]) }
        // The byte behind a name is zero.
        return StoreKey(base.bytes + name + [1])
    }

    /// The part of `name` up to the end of the first delimiter behind the prefix.
    private func commonPrefix(of name: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let first = delimiter.first, name.starts(with: prefix) else { return nil }
        var position = name.startIndex + prefix.count
        while position + delimiter.count <= name.endIndex {
            if name[position] == first, name[position...].starts(with: delimiter) {
                return name[..<(position + delimiter.count)]
            }
            position += 1
        }
        return nil
    }

    /// The next row or common prefix; nil at the end.
    mutating func next() async throws(S3Error) -> Step? {
        guard let row = try await nextRow() else { return nil }
        let name = KeySpace.name(row.key)
        guard let common = commonPrefix(of: name) else {
            index += 1
            return .row(
                name: String(decoding: name, as: UTF8.self), key: row.key, entry: row.entry)
        }
        seek(to: KeySpace.end(StoreKey(base.bytes + common)))
        return .commonPrefix(String(decoding: common, as: UTF8.self))
    }

    private mutating func nextRow() async throws(S3Error) -> (key: StoreKey, entry: Entry)? {
        if index < page.count { return page[index] }
        guard !isExhausted, cursor < end else { return nil }
        page = try await catalog.entries((cursor, end), limit: pageLimit)
        index = 0
        isExhausted = page.count < pageLimit
        guard let last = page.last else { return nil }
        cursor = StoreKey(last.key.bytes + [0])
        pageLimit = min(pageLimit * 2, Self.largestPage)
        return page[0]
    }

    /// Goes on with the first row that is not before `key`.
    private mutating func seek(to key: StoreKey) {
        while index < page.count, page[index].key < key { index += 1 }
        if index == page.count {
            cursor = max(cursor, key)
            pageLimit = Self.smallestPage
        }
    }
}
