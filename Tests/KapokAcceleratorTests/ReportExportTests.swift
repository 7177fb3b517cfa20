import Foundation
import Testing

@testable import KapokAccelerator

@Suite("Exports for scripts")
struct ReportExportTests {
    private let profile = ReportFixture.profile(count: 300, seed: 11)

    private func document(
        _ profile: Profile, _ options: JSONReport.Options = JSONReport.Options()
    ) throws -> [String: Any] {
        let text = JSONReport.text(profile, options: options)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(object as? [String: Any])
    }

    @Test("JSON carries its schema, its version and the totals")
    func head() throws {
        let json = try document(profile)
        #expect(json["schema"] as? String == "kapok.profile")
        #expect(json["version"] as? Int == 1)
        #expect(json["kernel"] as? String == "fixture")
        #expect(json["machine"] as? String == "trn2")
        #expect((json["parameters"] as? [String: String])?["type"] == "bf16")
        #expect(json["totalTicks"] as? Int64 == profile.timeline.makespan)
        let total = try #require(json["totalMilliseconds"] as? Double)
        let exact = profile.machine.nanoseconds(ticks: profile.timeline.makespan) / 1e6
        #expect(abs(total - exact) < 1e-12 * exact)
    }

    @Test("JSON gives each engine's active time and stalls by reason, and they close")
    func engines() throws {
        let json = try document(profile)
        let engines = try #require(json["engines"] as? [String: [String: Any]])
        let names = ["tensor", "tensorLoad", "vector", "scalar", "gpsimd", "sync", "dma"]
        #expect(Set(engines.keys) == Set(names + (0..<16).map { "dma\($0)" }))
        let total = try #require(json["totalMilliseconds"] as? Double)
        for (name, engine) in engines {
            let active = try #require(engine["activeMilliseconds"] as? Double)
            let stalls = try #require(engine["stalls"] as? [String: Double])
            #expect(abs(active + stalls.values.reduce(0, +) - total) < 1e-9 * total, "\(name)")
            let ticks = try #require(engine["stallTicks"] as? [String: Int64])
            #expect(
                try #require(engine["activeTicks"] as? Int64) + ticks.values.reduce(0, +)
                    == profile.timeline.makespan)
            #expect(
                stalls.keys.allSatisfy { key in StallReason.allCases.contains { $0.name == key } })
        }
    }

    @Test("JSON's critical path has no gaps, and names instructions, units and lines")
    func criticalPath() throws {
        let json = try document(profile)
        let steps = try #require(json["criticalPath"] as? [[String: Any]])
        #expect(steps.count == profile.criticalPath.count && steps.count > 3)
        #expect(json["criticalPathSteps"] as? Int == steps.count)
        var time: Int64 = 0
        for (step, expected) in zip(steps, profile.criticalPath) {
            #expect(step["startTicks"] as? Int64 == time)
            time = try #require(step["endTicks"] as? Int64)
            #expect(step["instruction"] as? Int == Int(expected.instruction))
            let instruction = profile.program.instructions[Int(expected.instruction)]
            #expect(step["opcode"] as? String == instruction.opcode.name)
            #expect(
                step["line"] as? Int
                    == (instruction.line == 0
                        ? nil : profile.program.lines[Int(instruction.line)].line))
        }
        #expect(time == profile.timeline.makespan)
    }

    @Test("the critical path is cut where the options say, and its length is still told")
    func bounded() throws {
        var options = JSONReport.Options()
        options.maximumCriticalSteps = 2
        options.maximumCauses = 3
        let json = try document(profile, options)
        #expect((json["criticalPath"] as? [Any])?.count == 2)
        #expect(json["criticalPathSteps"] as? Int == profile.criticalPath.count)
        #expect((json["causes"] as? [Any])?.count == 3)
    }

    @Test("every metric has a value, a quantity and a definition")
    func metrics() throws {
        let metrics = try #require(try document(profile)["metrics"] as? [String: [String: Any]])
        #expect(metrics["mfu"]?["value"] as? Double == profile.metrics.mfu)
        #expect(
            metrics["hbmReadBytes"]?["value"] as? Double == Double(profile.metrics.hbmReadBytes))
        for (name, metric) in metrics {
            #expect((metric["definition"] as? String)?.isEmpty == false, "\(name)")
            #expect(metric["quantity"] is String)
        }
    }

    @Test("spans are there when they are asked for")
    func spans() throws {
        #expect(try document(profile)["spans"] == nil)
        var options = JSONReport.Options()
        options.includesSpans = true
        let spans = try #require(try document(profile, options)["spans"] as? [String: [Int64]])
        #expect(spans["startTicks"] == profile.timeline.start)
        #expect(spans["endTicks"] == profile.timeline.end)
        #expect(spans["unit"] == profile.program.instructions.map { Int64($0.unit.rawValue) })
    }

    @Test("text is escaped, numbers round-trip, and what is no number is null")
    func writer() throws {
        var writer = JSONWriter()
        let awkward = "\"\\\u{1}\n\r\t/é\u{1F333}"
        let numbers = [
            0.1, .leastNonzeroMagnitude, 1.7976931348623157e308, -0.0, 1e21, 123_456_789.123_456_78,
        ]
        writer.object { writer in
            writer.member(awkward, awkward)
            writer.key("numbers")
            writer.array { writer in for number in numbers { writer.value(number) } }
            writer.member("nothing", Double.infinity)
            writer.member("yes", true)
            writer.key("empty")
            writer.object { _ in }
        }
        let object = try JSONSerialization.jsonObject(with: Data(writer.text.utf8))
        let json = try #require(object as? [String: Any])
        #expect(json[awkward] as? String == awkward)
        // Foundation's parser may err in the last place: the texts are read by Swift's.
        let texts = writer.text.split { "[]".contains($0) }[1].split { ", \n".contains($0) }
        #expect(texts.map { Double($0) } == numbers)
        #expect(json["nothing"] is NSNull)
        #expect(json["yes"] as? Bool == true)
        #expect((json["empty"] as? [String: Any])?.isEmpty == true)
    }

    @Test(
        "each CSV table says what it is, and all rows have its columns",
        arguments: CSVReport.Table.allCases)
    func csv(table: CSVReport.Table) throws {
        let lines = CSVReport.text(table, of: profile).split(separator: "\n")
        #expect(lines[0].hasPrefix("# kapok.profile.\(table.rawValue) version 1; kernel fixture;"))
        let header = fields(lines[1])
        #expect(Set(header).count == header.count)
        let rows = lines.dropFirst(2).map(fields)
        #expect(rows.count == CSVRows(profile).count(of: table) && rows.count > 10)
        #expect(rows.allSatisfy { $0.count == header.count })
    }

    @Test("instructions carry times in ticks and nanoseconds, their line and what they wait for")
    func instructions() throws {
        let lines = CSVReport.text(.instructions, of: profile).split(separator: "\n")
        let columns = fields(lines[1])
        let edges = DependenceEdges(profile.program)
        for (index, line) in lines.dropFirst(2).enumerated() {
            let row = Dictionary(uniqueKeysWithValues: zip(columns, fields(line)))
            let instruction = profile.program.instructions[index]
            let source = profile.program.lines[Int(instruction.line)]
            #expect(row["index"] == "\(index)" && row["opcode"] == instruction.opcode.name)
            #expect(row["start_ticks"] == "\(profile.timeline.start[index])")
            let nanoseconds = try #require(row["end_ns"].flatMap(Double.init))
            let exact = profile.machine.nanoseconds(ticks: profile.timeline.end[index])
            #expect(abs(nanoseconds - exact) <= 0.000_051)
            #expect(
                row["file"] == source.file
                    && row["line"] == (source.line == 0 ? "" : "\(source.line)"))
            #expect(
                row["waits_for"]
                    == edges.producers(of: index).map { "\($0.producer):\($0.kind.name)" }
                    .joined(separator: " "))
        }
    }

    @Test("a table is the same in one piece and in blocks, and what the sink throws ends it")
    func blocks() throws {
        struct Full: Error {}
        let large = ReportFixture.profile(count: 3000)
        var blocks: [[UInt8]] = []
        CSVReport.write(.instructions, of: large) { blocks.append($0) }
        #expect(blocks.count > 2)
        #expect(blocks.allSatisfy { $0.count < 70_000 })
        #expect(
            String(decoding: blocks.joined(), as: UTF8.self)
                == CSVReport.text(.instructions, of: large))
        #expect(throws: Full.self) {
            try CSVReport.write(.instructions, of: large) { _ throws(Full) in throw Full() }
        }
    }

    /// The fields of a CSV row, quotes removed.
    private func fields(_ line: Substring) -> [String] {
        var fields = [""]
        var isQuoted = false
        var previous: Character = ","
        for character in line {
            switch character {
            case "\"":
                if !isQuoted, previous == "\"" { fields[fields.count - 1].append("\"") }
                isQuoted.toggle()
            case "," where !isQuoted: fields.append("")
            default: fields[fields.count - 1].append(character)
            }
            previous = character
        }
        return fields
    }
}
