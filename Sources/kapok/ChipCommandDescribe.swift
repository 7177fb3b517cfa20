import ArgumentParser
import Foundation
import KapokAccelerator

extension ChipCommand {
    /// `kapok chip describe`: every figure of a machine, and where it comes from.
    struct Describe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "describe",
            abstract: "Show every figure of a machine with its source and how far to trust it.",
            discussion: """
                Without a name, lists the machines. With --json, prints a description that can be \
                changed and given back as a file wherever a machine is asked for.
                """)

        @Argument(help: "trn1, trn2, trn2-sheet, or a file with a description.")
        var machine: String?
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            guard let machine else { return try list() }
            let description = try ChipMachine.description(machine)
            // Refuses figures that make no sense before they are shown.
            _ = try Machine(description)
            if json {
                try ChipOutput.printJSON(MachineDocument(description))
            } else {
                print(text(description))
            }
        }

        private func list() throws {
            let machines = MachineDescription.known
            guard json else {
                return print(
                    TextTable(
                        rows: [["MACHINE", "WHAT"]] + machines.map { [$0.name, $0.title] }
                    ).text)
            }
            try ChipOutput.printJSON(["machines": machines.map(MachineDocument.init)])
        }

        private func text(_ description: MachineDescription) -> String {
            let facts = MachineParameter.allCases.compactMap { description[$0] }.map { fact in
                [
                    fact.parameter.rawValue, number(fact.value), fact.parameter.unit,
                    fact.confidence.rawValue, fact.parameter.meaning, fact.source,
                ]
            }
            let rules = CostRule.rules(of: description.generation).map { rule in
                [
                    rule.opcode.name, rule.engine?.name ?? "any", rule.condition.rawValue,
                    number(rule.perElement), number(rule.fixed), rule.confidence.rawValue,
                    rule.source,
                ]
            }
            let factHead = ["FIGURE", "VALUE", "UNIT", "CONFIDENCE", "MEANING", "SOURCE"]
            let ruleHead = [
                "INSTRUCTION", "ENGINE", "WHEN", "CYCLES/ELEMENT", "FIXED", "CONFIDENCE", "SOURCE",
            ]
            return [
                "\(description.name): \(description.title)",
                TextTable(rows: [factHead] + facts).text,
                "Cost rules of generation \(description.generation); the first that fits counts.",
                TextTable(rows: [ruleHead] + rules).text,
            ].joined(separator: "\n\n")
        }

        /// Whole numbers without a point.
        private func number(_ value: Double) -> String {
            Int(exactly: value).map(String.init) ?? "\(value)"
        }
    }
}

/// Machines by name, or from a file.
enum ChipMachine {
    private static let largestFile = 1 << 20

    /// The known machine of that name, else the description in the file of that name.
    static func description(_ name: String) throws -> MachineDescription {
        if let known = MachineDescription.named(name) { return known }
        let names = MachineDescription.known.map(\.name).joined(separator: ", ")
        guard let file = FileHandle(forReadingAtPath: name) else {
            throw CommandFailure(
                description: "'\(name)' is no machine (\(names)) and no file that can be read")
        }
        defer { try? file.close() }
        let data = try file.read(upToCount: largestFile + 1) ?? Data()
        guard data.count <= largestFile else {
            throw CommandFailure(description: "\(name) is longer than \(largestFile) bytes")
        }
        do { return try JSONDecoder().decode(MachineDescription.self, from: data) } catch {
            throw CommandFailure(description: "\(name) holds no machine description: \(error)")
        }
    }
}

extension CostRule {
    /// The rules that apply to a generation, in order of precedence.
    fileprivate static func rules(of generation: Int) -> [CostRule] {
        all.filter { $0.generation <= generation }
    }
}

/// A description as JSON, with what its figures mean. Reading it back takes what a description has.
private struct MachineDocument: Encodable {
    struct Fact: Encodable {
        var parameter: String
        var value: Double
        var unit: String
        var meaning: String
        var source: String
        var confidence: Confidence
    }

    struct Rule: Encodable {
        var opcode: String
        var engine: String?
        var condition: CostCondition
        var cyclesPerElement: Double
        var fixedCycles: Double
        var source: String
        var confidence: Confidence
    }

    var name: String
    var title: String
    var generation: Int
    var facts: [Fact]
    var costRules: [Rule]

    init(_ description: MachineDescription) {
        name = description.name
        title = description.title
        generation = description.generation
        facts = MachineParameter.allCases.compactMap { description[$0] }.map { fact in
            Fact(
                parameter: fact.parameter.rawValue, value: fact.value, unit: fact.parameter.unit,
                meaning: fact.parameter.meaning, source: fact.source, confidence: fact.confidence)
        }
        costRules = CostRule.rules(of: description.generation).map { rule in
            Rule(
                opcode: rule.opcode.name, engine: rule.engine?.name, condition: rule.condition,
                cyclesPerElement: rule.perElement, fixedCycles: rule.fixed, source: rule.source,
                confidence: rule.confidence)
        }
    }
}
