import Testing

@testable import KapokAccelerator

@Suite("The report on the terminal")
struct ReportTextTests {
    private let profile = ReportFixture.profile(count: 300, seed: 3)

    @Test("it fits into 100 columns, and no definition is cut")
    func width() {
        let lines = TerminalReport.text(profile).split(separator: "\n")
        #expect(lines.count > 60)
        #expect(lines.allSatisfy { $0.count <= 100 })
        #expect(!lines.contains { $0.hasSuffix("...") })
    }

    @Test("long lists of parameters go on in the next line")
    func manyParameters() {
        var wide = profile
        wide.program.parameters = (0..<20).map { KernelParameter("parameter\($0)", "4096") }
        for text in [TerminalReport.text(wide), ComparisonReport.text(wide, wide)] {
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
            #expect(text.contains("parameter19 = 4096\n"))
        }
    }

    @Test("it names the kernel, the machine, each unit, each reason and what bounds the run")
    func content() throws {
        let text = TerminalReport.text(profile)
        #expect(text.hasPrefix("fixture on trn2\nm = 64, type = bf16\n"))
        let total = NumberText.grouped(profile.timeline.makespan)
        #expect(text.contains("(\(total) ticks), 300 instructions"))
        for engine in EngineSummary.all(of: profile) where engine.unit?.dmaIndex == nil {
            #expect(text.contains("\n  \(engine.name) "))
        }
        for reason in Set(profile.stalls.map(\.reason)) {
            #expect(text.contains("\n  \(reason.name) "))
        }
        let bound = try #require(BoundSummary.all(of: profile).first)
        #expect(text.contains("(\(bound.name)); this one takes"))
        for metric in MetricSummary.all(of: profile) { #expect(text.contains(metric.definition)) }
    }

    @Test("there are no escape codes unless they are asked for")
    func colour() {
        #expect(!TerminalReport.text(profile).contains("\u{1b}"))
        #expect(TerminalReport.text(profile, isColoured: true).contains("\u{1b}[1mUnits\u{1b}[0m"))
    }

    @Test("tables are cut at the given number of rows and say what they leave out")
    func rows() {
        let causes = CauseSummary.all(of: profile).count { $0.unit < .sync }
        #expect(TerminalReport.text(profile, rows: 2).contains("and \(causes - 2) more, "))
    }

    @Test("an empty program has a report")
    func empty() {
        let text = TerminalReport.text(ReportFixture.profile(count: 0))
        #expect(text.contains("0.0 ns in all (0 ticks), 0 instructions"))
    }

    @Test(
        "numbers read the same everywhere",
        arguments: [
            (NumberText.fixed(12.345, 2), "12.35"), (NumberText.fixed(-0.04, 1), "0.0"),
            (NumberText.fixed(-3.25, 1), "-3.3"), (NumberText.fixed(0.05, 3), "0.050"),
            (NumberText.fixed(7, 0), "7"), (NumberText.grouped(1_234_567), "1,234,567"),
            (NumberText.grouped(-999), "-999"),
            (NumberText.grouped(Int64.min).suffix(4).description, ",808"),
            (NumberText.percent(1, of: 3), "33.3 %"), (NumberText.percent(0, of: 0), "0.0 %"),
            (NumberText.time(nanoseconds: 999.94), "999.9 ns"),
            (NumberText.time(nanoseconds: 28_301_000), "28.301 ms"),
            (NumberText.bytes(196_608), "192.0 KiB"), (NumberText.scaled(5.5e11), "550.00 G"),
        ])
    func numbers(text: String, expected: String) { #expect(text == expected) }
}
