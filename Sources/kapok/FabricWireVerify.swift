import Foundation
import KapokFabric

/// `kapok fabric wire --verify`: what was seen against what was planned.
struct FabricWireVerify {
    var fabric: Fabric
    var topologyName: String
    var path: String
    var json: Bool

    /// Prints the comparison; fails when something is wrong, so that scripts notice.
    func run() throws {
        let bytes = try FabricWireFiles.read(path)
        let report: SeenReport
        do {
            let first = bytes.first { $0 > 32 }
            report =
                first == UInt8(ascii: "{")
                ? try SeenReport(fromLLDP: bytes) : try SeenReport(fromCSV: bytes)
        } catch {
            throw CommandFailure(description: "\(path): \(error)")
        }
        let found = WiringVerification(report, against: fabric, topologyName: topologyName)
        if json {
            try ChipOutput.printJSON(VerificationDocument(found))
        } else {
            print(text(found))
        }
        if !found.isCorrect || !found.contradictions.isEmpty {
            throw CommandFailure(
                description: "the wiring is not as planned: \(found.missing.count) links missing, "
                    + "\(found.wrong.count) cables wrong, \(found.unknown.count) to devices "
                    + "outside the plan, \(found.contradictions.count) contradicting rows; "
                    + "\(found.replugs) cable ends to touch")
        }
    }

    private func text(_ found: WiringVerification) -> String {
        var lines = ["\(found.correct) links are as planned"]
        if found.passedOver > 0 {
            lines.append("\(found.passedOver) rows are about cables outside the plan")
        }
        func list(_ title: String, _ texts: [String]) {
            guard !texts.isEmpty else { return }
            lines.append("\n\(title) (\(texts.count))")
            lines += texts.prefix(100).map { "  \($0)" }
            if texts.count > 100 { lines.append("  ... and \(texts.count - 100) more (--json)") }
        }
        list("wrong cables", found.wrong.map(\.description))
        list("cables to devices outside the plan", found.unknown.map(\.description))
        list("missing links", found.missing.map(\.description))
        list(
            "shared risks of which every link is missing: look at the trunks first",
            found.wholeTrunks.map { "risk-\($0.index)" })
        list(
            "rows that contradict others",
            found.contradictions.map { "line \($0.line): \($0.local) sees \($0.peer)" })
        list(
            "to do, in this order; \(found.replugs) cable ends are touched",
            found.steps.map { VerificationDocument.Step($0).text })
        return lines.joined(separator: "\n")
    }
}

/// A comparison as JSON.
private struct VerificationDocument: Encodable {
    struct Pair: Encodable {
        var a: String
        var b: String

        init(_ pair: WiringVerification.Pair) {
            a = pair.a.description
            b = pair.b.description
        }
    }

    struct Step: Encodable {
        var action: String
        var cost: Int
        var text: String

        init(_ step: SwapStep) {
            cost = step.cost
            switch step {
            case .take(let kept, let from):
                action = "take"
                text = "pull out \(from) and hold it (the other end stays at \(kept))"
            case .put(let kept, let to):
                action = "put"
                text = "plug the held end into \(to) (the other end stays at \(kept))"
            case .move(let kept, let from, let to):
                action = "move"
                text = "move \(from) to \(to) (the other end stays at \(kept))"
            case .remove(let a, let b, let spare):
                action = "remove"
                text = "take away \(a) -- \(b)" + (spare.map { " as spare \($0 + 1)" } ?? "")
            case .lay(let a, let b, let spare):
                action = "lay"
                text =
                    "lay \(spare.map { "spare \($0 + 1)" } ?? "a new cable") from \(a) to \(b)"
            }
        }
    }

    struct Row: Encodable {
        var line: Int
        var local: String
        var peer: String
    }

    var contradictions: [Row]
    var correct: Int
    var includesHosts: Bool
    var missing: [Pair]
    var passedOver: Int
    var replugs: Int
    var steps: [Step]
    var unknown: [Pair]
    var wholeTrunks: [Int]
    var wrong: [Pair]

    init(_ found: WiringVerification) {
        contradictions = found.contradictions.map {
            Row(line: $0.line, local: $0.local.description, peer: $0.peer.description)
        }
        correct = found.correct
        includesHosts = found.includesHosts
        missing = found.missing.map(Pair.init)
        passedOver = found.passedOver
        replugs = found.replugs
        steps = found.steps.map(Step.init)
        unknown = found.unknown.map(Pair.init)
        wholeTrunks = found.wholeTrunks.map(\.index)
        wrong = found.wrong.map(Pair.init)
    }
}
