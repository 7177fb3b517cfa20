/// Who touched each byte of a memory last: the state of dependence analysis.
///
/// The byte columns are cut into segments wherever accesses began or ended; each segment keeps the
/// accesses to it, with their rows, that no later write has covered. A write that covers whole
/// segments melts them into one, so that a memory used in tiles has about as many segments as
/// tiles, and the time for an access is that of a binary search.
struct AccessHistory: Sendable {
    private var starts: [Int] = [0]
    private var writers: [Int32] = [Self.none]
    private var readers: [Int32] = [Self.none]
    private var records: [Record] = []
    private var freeRecord = Self.none

    private static let none: Int32 = -1

    private struct Record {
        var rows: Run
        var instruction: UInt32
        var next: Int32
    }

    /// Calls `found` with every earlier instruction that wrote what is now read, and remembers the
    /// reader.
    mutating func read(
        rows: Run, columns: Run, by instruction: UInt32, found: (UInt32) -> Void
    ) {
        let first = cut(at: columns.start)
        let last = cut(at: columns.end)
        for segment in first..<last {
            visit(writers[segment], rows, found)
            let head = readers[segment]
            // An instruction that reads the same bytes twice is remembered once.
            if head != Self.none, records[Int(head)].instruction == instruction,
                records[Int(head)].rows == rows
            {
                continue
            }
            readers[segment] = insert(Record(rows: rows, instruction: instruction, next: head))
        }
    }

    /// Calls `overwritten` with every earlier writer and `stillRead` with every earlier reader of
    /// what is now written, and remembers the writer instead of those whose bytes it covers.
    mutating func write(
        rows: Run, columns: Run, by instruction: UInt32,
        overwritten: (UInt32) -> Void, stillRead: (UInt32) -> Void
    ) {
        let first = cut(at: columns.start)
        let last = cut(at: columns.end)
        var isWhole = true
        for segment in first..<last {
            visit(writers[segment], rows, overwritten)
            visit(readers[segment], rows, stillRead)
            readers[segment] = uncovered(readers[segment], by: rows)
            let rest = uncovered(writers[segment], by: rows)
            if rest != Self.none || readers[segment] != Self.none { isWhole = false }
            writers[segment] = insert(
                Record(rows: rows, instruction: instruction, next: rest))
        }
        if isWhole, last - first > 1 {
            for segment in (first + 1)..<last { release(writers[segment]) }
            starts.removeSubrange((first + 1)..<last)
            writers.removeSubrange((first + 1)..<last)
            readers.removeSubrange((first + 1)..<last)
        }
    }

    /// The segment that begins at `column`; made by cutting another if there is none.
    private mutating func cut(at column: Int) -> Int {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] < column { low = middle + 1 } else { high = middle }
        }
        if low < starts.count, starts[low] == column { return low }
        starts.insert(column, at: low)
        writers.insert(copy(writers[low - 1]), at: low)
        readers.insert(copy(readers[low - 1]), at: low)
        return low
    }

    private func visit(_ head: Int32, _ rows: Run, _ body: (UInt32) -> Void) {
        var index = head
        while index != Self.none {
            let record = records[Int(index)]
            if record.rows.start < rows.end, rows.start < record.rows.end {
                body(record.instruction)
            }
            index = record.next
        }
    }

    /// The list without what `rows` covers. A record that sticks out on both sides stays whole:
    /// what it adds is implied by the write in the middle.
    private mutating func uncovered(_ head: Int32, by rows: Run) -> Int32 {
        var kept = Self.none
        var index = head
        while index != Self.none {
            var record = records[Int(index)]
            let next = record.next
            if rows.start <= record.rows.start, record.rows.end > rows.start {
                record.rows.start = max(record.rows.start, rows.end)
            } else if rows.end >= record.rows.end, record.rows.start < rows.end {
                record.rows.end = min(record.rows.end, rows.start)
            }
            if record.rows.start < record.rows.end {
                record.next = kept
                records[Int(index)] = record
                kept = index
            } else {
                records[Int(index)].next = freeRecord
                freeRecord = index
            }
            index = next
        }
        return kept
    }

    private mutating func insert(_ record: Record) -> Int32 {
        guard freeRecord != Self.none else {
            records.append(record)
            return Int32(records.count - 1)
        }
        let index = freeRecord
        freeRecord = records[Int(index)].next
        records[Int(index)] = record
        return index
    }

    private mutating func release(_ head: Int32) {
        var index = head
        while index != Self.none {
            let next = records[Int(index)].next
            records[Int(index)].next = freeRecord
            freeRecord = index
            index = next
        }
    }

    private mutating func copy(_ head: Int32) -> Int32 {
        var copied = Self.none
        var index = head
        while index != Self.none {
            let record = records[Int(index)]
            copied = insert(
                Record(rows: record.rows, instruction: record.instruction, next: copied))
            index = record.next
        }
        return copied
    }
}
