import KapokWorld

/// The media operations of a drive that have not ended, by the number they carry.
///
/// Numbers are a slot and how often it was used, so that looking one up costs an index and a number
/// that is reported twice is recognised. As many slots exist as operations were under way at once.
struct OutstandingOperations {
    /// What an operation is for.
    enum Kind {
        case read
        case write
        case flush
        case superblock
    }

    /// One operation and the command that it serves.
    struct Operation {
        var command: UInt64
        var epoch: Epoch
        var kind: Kind
    }

    private struct Slot {
        var uses: UInt32
        var operation: Operation?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    /// How many are under way.
    var count: Int { slots.count - free.count }

    /// How many serve commands of epochs lower than `epoch`. O(slots).
    func count(below epoch: Epoch) -> Int {
        slots.count { $0.operation.map { $0.epoch < epoch } ?? false }
    }

    /// Notes `operation` and returns its number.
    mutating func insert(_ operation: Operation) -> UInt64 {
        let index: Int
        if let reused = free.popLast() {
            index = Int(reused)
        } else {
            index = slots.count
            slots.append(Slot(uses: 0, operation: nil))
        }
        slots[index].uses &+= 1
        slots[index].operation = operation
        return UInt64(slots[index].uses) << 32 | UInt64(index)
    }

    /// Takes out the operation with this number; nil when none is under way.
    mutating func remove(_ id: UInt64) -> Operation? {
        let index = Int(id & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].uses == UInt32(id >> 32),
            let operation = slots[index].operation
        else { return nil }
        slots[index].operation = nil
        free.append(UInt32(index))
        return operation
    }
}
