/// The tables of a profile as CSV (RFC 4180, lines end in a line feed), for spreadsheets and
/// scripts.
///
/// The first line, a comment, names the table's schema and version and the unit of its times; the
/// second names the columns. Documented in `docs/profile-formats.md`.
public enum CSVReport {
    /// The version of the tables. Columns may be added at the end within a version.
    public static let version = 1

    /// What can be exported.
    public enum Table: String, CaseIterable, Sendable {
        /// One row for each instruction.
        case instructions
        /// One row for each idle time of a unit.
        case stalls
        /// One row for each DMA transfer.
        case transfers
        /// One row for each time in which a DMA engine moved data.
        case segments
        /// One row for each unit.
        case units
    }

    /// Writes a table in blocks of about 64 KiB: memory does not grow with the profile.
    ///
    /// - Parameter sink: takes the blocks in order; what it throws ends the export.
    public static func write<Failure: Error>(
        _ table: Table, of profile: Profile, to sink: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var rows = CSVRows(profile)
        rows.head(of: table)
        for index in 0..<rows.count(of: table) {
            rows.append(index, of: table)
            if rows.writer.bytes.count >= 65_536 { try sink(rows.writer.take()) }
        }
        try sink(rows.writer.take())
    }

    /// A table as one text.
    public static func text(_ table: Table, of profile: Profile) -> String {
        var bytes: [UInt8] = []
        write(table, of: profile) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }
}
