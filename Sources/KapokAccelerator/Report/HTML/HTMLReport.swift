/// A profile as one HTML file that needs nothing else: a zoomable timeline, what each idle moment
/// waited for, tables, and the source beside it.
///
/// The run is in the file as compressed columns; browsers unpack them with `DecompressionStream`
/// (Chrome 80, Firefox 113, Safari 16.4 and later). The page's address holds what is shown, so that
/// views can be shared.
public enum HTMLReport {
    /// The page.
    ///
    /// - Parameter sources: texts of source files, by the name that ``SourceLine/file`` has; files
    ///   that are missing are named only.
    public static func text(_ profile: Profile, sources: [String: String] = [:]) -> String {
        let columns = ReportColumns(profile).packed
        let facts = ReportFacts(profile, sources: sources).text(columns: columns.entries)
        let title = escaped("\(profile.program.name) on \(profile.machine.description.name)")
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="generator" content="kapok.report version \(version)">
            <title>\(title)</title>
            <style>
            \(ReportStyle.css)
            </style>
            </head>
            <body>
            \(ReportBody.html)
            <script type="application/json" id="facts">
            \(facts)
            </script>
            <script type="text/plain" id="columns">\(Base64.text(columns.compressed()))</script>
            <script type="module">
            \(ReportScript.all)
            </script>
            </body>
            </html>

            """
    }

    /// The version of the page's data and address.
    public static let version = 1

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
