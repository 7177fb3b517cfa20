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
        _ footprint: Footprint, by instruction: UInt32, found: (UInt32) -> Void
    ) {
        let first = cut(footprint.columns)
        for rows in footprint.rows {
            var segment = first
            for columns in footprint.columns {
                while starts[segment] < columns.start { segment += 1 }
                while segment < starts.count, starts[segment] < columns.end {
                    visit(writers[segment], rows, found)
                    remember(rows, by: instruction, in: segment)
                    segment += 1
                }
            }
        }
    }

    /// Calls `overwritten` with every earlier writer and `stillRead` with every earlier reader of
    /// what is now written, and remembers the writer instead of those whose bytes it covers.
    mutating func write(
        _ footprint: Footprint, by instruction: UInt32,
        overwritten: (UInt32) -> Void, stillRead: (UInt32) -> Void
    ) {
        let first = cut(footprint.columns)
        for rows in footprint.rows {
            var segment = first
            var isWhole = true
            for columns in footprint.columns {
                while starts[segment] < columns.start { segment += 1 }
                while segment < starts.count, starts[segment] < columns.end {
                    visit(writers[segment], rows, overwritten)
                    visit(readers[segment], rows, stillRead)
                    readers[segment] = uncovered(readers[segment], by: rows)
                    let rest = uncovered(writers[segment], by: rows)
                    if rest != Self.none || readers[segment] != Self.none { isWhole = false }
                    writers[segment] = insert(
                        Record(rows: rows, instruction: instruction, next: rest))
                    segment += 1
                }
            }
            if isWhole, footprint.columns.count == 1 { melt(first..<segment) }
        }
    }

    private mutating func remember(_ rows: Run, by instruction: UInt32, in segment: Int) {
        let head = readers[segment]
        // An instruction that reads the same bytes twice is remembered once.
        if head != Self.none, records[Int(head)].instruction == instruction,
            records[Int(head)].rows == rows
        {
            return
        }
        readers[segment] = insert(Record(rows: rows, instruction: instruction, next: head))
    }

    /// Makes one segment of several that say the same.
    private mutating func melt(_ segments: Range<Int>) {
        let surplus = segments.dropFirst()
        guard !surplus.isEmpty else { return }
        for segment in surplus { release(writers[segment]) }
        starts.removeSubrange(surplus)
        writers.removeSubrange(surplus)
        readers.removeSubrange(surplus)
    }

    /// The last segment that begins at or before `column`.
    private func segment(at column: Int) -> Int {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= column { low = middle } else { high = middle }
        }
        return low
    }

    /// Cuts segments where the ranges begin and end; returns the one at which the first range
    /// begins.
    private mutating func cut(_ columns: [Run]) -> Int {
        guard columns.count > 1 else {
            let first = cut(at: columns[0].start)
            _ = cut(at: columns[0].end)
            return first
        }
        // Many cuts are made at once: one by one, the segments behind would move each time.
        let old = segment(at: columns[0].start)..<(segment(at: columns[columns.count - 1].end) + 1)
        var newStarts: [Int] = []
        var newWriters: [Int32] = []
        var newReaders: [Int32] = []
        var range = 0
        var isInside = false
        for index in old {
            newStarts.append(starts[index])
            newWriters.append(writers[index])
            newReaders.append(readers[index])
            let end = index + 1 < starts.count ? starts[index + 1] : Int.max
            while range < columns.count {
                let border = isInside ? columns[range].end : columns[range].start
                guard border < end else { break }
                if border > newStarts[newStarts.count - 1] {
                    newStarts.append(border)
                    newWriters.append(copy(writers[index]))
                    newReaders.append(copy(readers[index]))
                }
                if isInside { range += 1 }
                isInside.toggle()
            }
        }
        if newStarts.count > old.count {
            starts.replaceSubrange(old, with: newStarts)
            writers.replaceSubrange(old, with: newWriters)
            readers.replaceSubrange(old, with: newReaders)
        }
        return segment(at: columns[0].start)
    }

    /// The segment that begins at `column`; made by cutting another if there is none.
    private mutating func cut(at column: Int) -> Int {
        let found = segment(at: column)
        guard starts[found] < column else { return found }
        starts.insert(column, at: found + 1)
        writers.insert(copy(writers[found]), at: found + 1)
        readers.insert(copy(readers[found]), at: found + 1)
        return found + 1
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
