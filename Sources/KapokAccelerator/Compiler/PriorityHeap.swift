/// Nodes by key, the smallest key first; equal keys by number.
struct PriorityHeap: Sendable {
    private var entries: [Entry] = []

    private struct Entry {
        var key: Int64
        var node: UInt32

        func isBefore(_ other: Entry) -> Bool {
            key != other.key ? key < other.key : node < other.node
        }
    }

    /// Whether nothing is in it.
    var isEmpty: Bool { entries.isEmpty }

    /// The smallest key; the largest possible one when nothing is in it.
    var smallestKey: Int64 { entries.isEmpty ? .max : entries[0].key }

    mutating func insert(_ node: UInt32, key: Int64) {
        let entry = Entry(key: key, node: node)
        entries.append(entry)
        var index = entries.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard entry.isBefore(entries[parent]) else { break }
            entries[index] = entries[parent]
            index = parent
        }
        entries[index] = entry
    }

    /// Takes out the node with the smallest key. The heap must not be empty.
    mutating func removeFirst() -> UInt32 {
        let first = entries[0].node
        let moved = entries.removeLast()
        guard !entries.isEmpty else { return first }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) {
                child += 1
            }
            guard entries[child].isBefore(moved) else { break }
            entries[index] = entries[child]
            index = child
        }
        entries[index] = moved
        return first
    }
}
