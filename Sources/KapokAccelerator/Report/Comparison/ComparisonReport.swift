/// What changed from one profile to another: totals, active and idle times, source lines, metrics.
public enum ComparisonReport {
    /// The version of the JSON schema `kapok.comparison`, described in `docs/profile-formats.md`.
    public static let version = 1

    /// The changes as text for a terminal of 100 columns.
    ///
    /// - Parameters:
    ///   - isColoured: headings are bold and notes dim, by ANSI escape codes.
    ///   - rows: how many source lines are shown; the table says what it leaves out.
    public static func text(
        _ before: Profile, _ after: Profile, isColoured: Bool = false, rows: Int = 10
    ) -> String {
        let sections = ComparisonSections(
            before, after, isColoured: isColoured, rows: max(1, rows))
        return sections.all.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    /// The changes as JSON; each has `before`, `after` and `delta`.
    public static func json(_ before: Profile, _ after: Profile) -> String {
        ComparisonWriter(before, after).text()
    }
}
