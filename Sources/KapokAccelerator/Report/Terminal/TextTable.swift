/// Rows of text under each other, each column as wide as its widest cell.
struct TextTable {
    enum Alignment { case left, right }

    private let alignments: [Alignment]
    private var rows: [[String]]

    /// - Parameter header: the names of the columns.
    init(_ header: [String], _ alignments: [Alignment]) {
        precondition(header.count == alignments.count)
        self.alignments = alignments
        rows = [header]
    }

    /// Whether it has rows beside its header.
    var isEmpty: Bool { rows.count == 1 }

    mutating func append(_ row: [String]) {
        precondition(row.count == alignments.count)
        rows.append(row)
    }

    /// Its lines, two spaces between columns. The last column, when it is text, is cut to end at
    /// `width`.
    func lines(width: Int = 100) -> [String] {
        let widths = alignments.indices.map { column in
            rows.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let isLast = column == row.count - 1
                let space = String(repeating: " ", count: widths[column] - cell.count)
                switch alignments[column] {
                case .left: line += cell + (isLast ? "" : space)
                case .right: line += space + cell
                }
                if !isLast { line += "  " }
            }
            return line.count <= width ? line : line.prefix(width - 3) + "..."
        }
    }
}
