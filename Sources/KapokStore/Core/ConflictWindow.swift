/// The keys that recent commits wrote, for optimistic concurrency: a transaction passes when
/// nothing it has read was written after its read point (the resolver of FoundationDB, SIGMOD'21,
/// §2.4).
package struct ConflictWindow {
    private let capacity: Int
    private var latest: [[UInt8]: UInt64] = [:]
    private var order: [(version: UInt64, key: [UInt8])] = []
    private var first = 0
    /// Commits up to this version may have been forgotten.
    private(set) var floor: UInt64

    init(capacity: Int, floor: UInt64) {
        self.capacity = capacity
        self.floor = floor
    }

    mutating func record(_ key: [UInt8], version: UInt64) {
        latest[key] = version
        order.append((version, key))
        while order.count - first > capacity {
            let old = order[first]
            first += 1
            floor = max(floor, old.version)
            if latest[old.key] == old.version { latest[old.key] = nil }
        }
        if first > capacity {
            order.removeFirst(first)
            first = 0
        }
    }

    /// True when all of `keys` and `ranges` are as they were at `readPoint`.
    func permits(
        readPoint: ReadPoint, keys: [StoreKey], ranges: [(from: StoreKey, to: StoreKey)]
    ) -> Bool {
        guard readPoint.version >= floor else { return false }
        for key in keys {
            if let version = latest[key.bytes], version > readPoint.version { return false }
        }
        guard !ranges.isEmpty else { return true }
        return !order[first...].contains { recent in
            guard recent.version > readPoint.version else { return false }
            let key = StoreKey(recent.key)
            return ranges.contains { $0.from <= key && key < $0.to }
        }
    }
}
