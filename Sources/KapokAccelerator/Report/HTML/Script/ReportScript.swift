/// The JavaScript of the HTML report, in the parts that it is assembled from. Browsers run it as
/// one module.
enum ReportScript {
    /// All parts, in the order in which they stand in the page.
    static var all: String {
        [
            model, words, palette, rows, strips, timeline, overlay, input, search, details, tables,
            main,
        ]
        .joined(separator: "\n")
    }
}
