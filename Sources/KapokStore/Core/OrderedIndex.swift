/// Why the index could not do what was asked.
package enum IndexError: Error, Sendable, Equatable {
    /// The engine below failed; the text is its own.
    case engine(String)
    /// A row that no version of this program writes.
    case corrupt(String)
}

/// An ordered transactional key-value store: what the index asks of SQLite today and of a
/// distributed SQL engine later. One writer; any number of readers, which see committed rows only.
package protocol OrderedIndex: Sendable {
    /// The row under `key` as last committed.
    func get(_ key: [UInt8]) throws(IndexError) -> [UInt8]?

    /// Up to `limit` rows with `from <= key < to`, ascending, as of one moment.
    func range(
        from: [UInt8], to: [UInt8], limit: Int
    ) throws(IndexError) -> [(key: [UInt8], value: [UInt8])]

    /// If every compared row is as expected, makes all changes durable in one step and returns
    /// true; otherwise changes nothing and returns false.
    func commit(_ commit: IndexCommit) throws(IndexError) -> Bool
}

/// Comparisons and the changes that depend on them.
package struct IndexCommit: Sendable {
    /// Rows that must be as given (nil: absent).
    package var compares: [(key: [UInt8], expected: [UInt8]?)] = []
    /// Rows to set (nil: to remove), each key once.
    package var changes: [(key: [UInt8], value: [UInt8]?)] = []

    package init() {}
}
