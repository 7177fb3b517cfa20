import Foundation
import Testing

/// What `kapok kernel profile` exports, in the hands of those who read it.
@Suite("Interop: profiles", .serialized)
struct AcceleratorReportTests {
    @Test(
        "Perfetto's own classes read back every slice, to the tick",
        .enabled(if: Reader.perfetto.isThere, Reader.perfetto.reason))
    func perfetto() throws {
        try Script("accelerator/perfetto_trace.py", minutes: 3, fullMinutes: 30).run()
    }

    @Test(
        "a browser shows the HTML report, and follows its address",
        .enabled(if: Reader.chromium.isThere, Reader.chromium.reason))
    func chromium() throws {
        try Script("accelerator/report_page.py", minutes: 3, fullMinutes: 3).run()
    }
}

/// A program that reads exports. One that is missing is named once, loudly.
private enum Reader: CaseIterable {
    case perfetto, chromium

    private static let found: [Reader: Bool] = {
        var found: [Reader: Bool] = [:]
        for reader in allCases {
            found[reader] = (try? Command(reader.probe, seconds: 60).run().status) == 0
            if found[reader] == false { print("SKIPPED: \(reader.reason)") }
        }
        return found
    }()

    private var probe: [String] {
        switch self {
        case .perfetto:
            [Place.python, "-c", "from perfetto.protos.perfetto.trace import perfetto_trace_pb2"]
        case .chromium: ["chromium", "--version"]
        }
    }

    var isThere: Bool { Self.found[self] ?? false }

    var reason: Comment {
        switch self {
        case .perfetto: "perfetto is not installed for \(Place.python)"
        case .chromium: "chromium is not installed"
        }
    }
}
