/// The index in memory: for the simulator, where a commit is durable when it returns, and for
/// tests. Rows are kept sorted; commits are applied whole.
package final class MemoryIndex: OrderedIndex, @unchecked Sendable {
    // Single-threaded by its users: the simulator and tests that do not share it.
    private var rows: [[UInt8]: [UInt8]] = [:]
    private var sortedKeys: [[UInt8]] = []
    private var isSorted = true

    package init() {}

    /// How many rows there are.
    package var count: Int { rows.count }

    package func get(_ key: [UInt8]) throws(IndexError) -> [UInt8]? { rows[key] }

    private func sortIfNeeded() {
        guard !isSorted else { return }
        sortedKeys = rows.keys.sorted { $0.lexicographicallyPrecedes($1) }
        isSorted = true
    }

    package func range(
        from: [UInt8], to: [UInt8], limit: Int
    ) throws(IndexError) -> [(key: [UInt8], value: [UInt8])] {
        sortIfNeeded()
        var low = 0
        var high = sortedKeys.count
        while low < high {
            let middle = (low + high) / 2
            if sortedKeys[middle].lexicographicallyPrecedes(from) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        var found: [(key: [UInt8], value: [UInt8])] = []
        while low < sortedKeys.count, found.count < limit,
            sortedKeys[low].lexicographicallyPrecedes(to)
        {
            if let value = rows[sortedKeys[low]] { found.append((sortedKeys[low], value)) }
            low += 1
        }
        return found
    }

    package func commit(_ commit: IndexCommit) throws(IndexError) -> Bool {
        for compare in commit.compares {
            guard rows[compare.key] == compare.expected else { return false }
        }
        for change in commit.changes {
            let old = rows.updateValue(change.value ?? [], forKey: change.key)
            if change.value == nil { rows[change.key] = nil }
            if (old == nil) != (change.value == nil) { isSorted = false }
        }
        return true
    }
}
