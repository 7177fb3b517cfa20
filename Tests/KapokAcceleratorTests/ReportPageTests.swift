import Foundation
import Testing

@testable import KapokAccelerator

@Suite("The HTML report")
struct ReportPageTests {
    private let profile = ReportFixture.profile(count: 300, seed: 21)
    private let file = "Kernels/Fixture, \"quoted\".swift"

    /// What stands in the element with that id.
    private func content(of id: String, in page: String) throws -> Substring {
        let opening = try #require(page.range(of: "id=\"\(id)\">"))
        let closing = try #require(
            page.range(of: "</script>", range: opening.upperBound..<page.endIndex))
        return page[opening.upperBound..<closing.lowerBound]
    }

    @Test("it is one file that loads nothing")
    func selfContained() {
        let page = HTMLReport.text(profile)
        #expect(page.hasPrefix("<!doctype html>"))
        for needle in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
            #expect(!page.contains(needle), "\(needle)")
        }
    }

    @Test("its facts are JSON, whatever stands in names and sources")
    func facts() throws {
        var awkward = profile
        awkward.program.name = "a <b> & </script><script>alert(1)</script>"
        let source = "let a = \"</script>\"\n<!-- <script>"
        let page = HTMLReport.text(awkward, sources: [file: source, "Other.swift": "no"])
        let text = try content(of: "facts", in: page)
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8))
        let facts = try #require(json as? [String: Any])
        #expect(facts["kernel"] as? String == awkward.program.name)
        #expect(facts["sources"] as? [String: String] == [file: source])
        #expect(facts["makespan"] as? Int64 == profile.timeline.makespan)
        #expect(page.contains("<title>a &lt;b&gt; &amp; &lt;/script&gt;"))
        // The three elements that the page itself has.
        #expect(page.components(separatedBy: "</script>").count == 4)
    }

    @Test("its tables have as many cells as columns, and rows that lead somewhere")
    func tables() throws {
        let tables = ReportTables(profile).all
        #expect(tables.map(\.name) == ["causes", "lines", "path", "metrics", "bounds"])
        for table in tables {
            #expect(!table.rows.isEmpty && !table.note.isEmpty)
            #expect(table.rows.allSatisfy { $0.cells.count == table.columns.count })
            #expect(table.rows.count <= 200)
        }
        #expect(tables[0].rows.allSatisfy { $0.link != nil })
    }

    @Test("its columns hold the run, to the tick")
    func columns() throws {
        let packed = ReportColumns(profile).packed
        let columns = Dictionary(
            uniqueKeysWithValues: packed.entries.map { ($0.name, unpack($0, packed.bytes)) })
        #expect(columns["start"] == profile.timeline.start)
        let intervals = zip(profile.timeline.start, profile.timeline.busyEnd).map { $1 - $0 }
        #expect(columns["interval"] == intervals)
        #expect(columns["opcode"] == profile.program.instructions.map { Int64($0.opcode.rawValue) })
        #expect(columns["stallStart"] == profile.stalls.map(\.start))
        #expect(columns["stallDuration"] == profile.stalls.map(\.duration))
        #expect(
            columns["stallVictim"]
                == profile.stalls.map { $0.victim == Stall.none ? 0 : Int64($0.victim) + 1 })
        #expect(columns["segmentStart"] == profile.timeline.segments.map(\.start))
        #expect(
            columns["waitBack"]
                == profile.program.waitReasons.map { Int64($0.consumer) - Int64($0.producer) })
        #expect(columns["stepDuration"] == profile.criticalPath.map { $0.end - $0.start })
    }

    @Test("columns of any whole numbers can be unpacked, wide ones are marked")
    func packing() {
        var packed = PackedColumns()
        let numbers: [Int64] = [0, 1, 127, 128, 1 << 31, (1 << 53) - 1]
        let near: [Int64] = [5, 4, 4, -70, 1 << 40, 0]
        packed.add("plain", numbers)
        packed.addDeltas("near", near)
        packed.add("small", [3, 2])
        packed.addDeltas("empty", [])
        #expect(packed.entries.map { unpack($0, packed.bytes) } == [numbers, near, [3, 2], []])
        #expect(packed.entries.map(\.isWide) == [true, true, false, false])
    }

    /// What the page's script does.
    private func unpack(_ entry: PackedColumns.Entry, _ bytes: [UInt8]) -> [Int64] {
        var at = entry.offset
        var previous: Int64 = 0
        return (0..<entry.count).map { _ in
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while true {
                let byte = bytes[at]
                at += 1
                value |= UInt64(byte & 127) << shift
                shift += 7
                if byte < 128 { break }
            }
            guard entry.isDelta else { return Int64(value) }
            previous += Int64(value >> 1) ^ -Int64(value & 1)
            return previous
        }
    }

    @Test(
        "Base64 is that of RFC 4648, section 10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func base64(text: String, expected: String) {
        #expect(Base64.text(Array(text.utf8)) == expected)
    }

    @Test("every part of the script is in the page")
    func script() {
        let page = HTMLReport.text(profile)
        for part in ["class Model", "class Timeline", "class Overlay", "class Details", "main()"] {
            #expect(page.contains(part))
        }
    }
}
