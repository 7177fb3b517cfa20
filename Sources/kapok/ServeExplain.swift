import ArgumentParser
import Foundation
import KapokAccelerator
import KapokInference
import KapokModel

/// `kapok serve --explain`: what a model would do on an accelerator, simulated; no server.
struct ExplainOptions: ParsableArguments {
    @Option(
        help: """
            Print how fast the model would be on a simulated accelerator (trn2, or a file as \
            `kapok chip describe` prints it), and exit.
            """)
    var explain: String?
    @Option(help: "Tokens of the prompt that is explained.")
    var prompt = 512
    @Option(help: "Tokens of the answer that is explained.")
    var generate = 128
    @Option(help: "Sequences that decode together in what is explained.")
    var batch = 1
    @Flag(
        help: """
            Also compute some tokens value by value on the simulated core, and compare their \
            logits with the model's; takes seconds to minutes.
            """)
    var verify = false

    func validate() throws {
        guard explain != nil || !verify else {
            throw ValidationError("--verify belongs to --explain")
        }
    }

    /// Simulates and prints.
    func run(machine name: String, model path: String, json: Bool) throws {
        let prediction: ServingPrediction
        var agreement: AcceleratorAgreement?
        do {
            let machine = try Machine(ChipMachine.description(name))
            let file = try LanguageModelFile.open(path: path)
            prediction = try ServingPrediction(
                configuration: file.configuration, machine: machine,
                workload: ServingWorkload(prompt: prompt, generate: generate, batch: batch)
            ) { TerminalLine.show($0) }
            if verify {
                TerminalLine.show("Computing some tokens value by value")
                agreement = try AcceleratorAgreement(file, machine: machine)
            }
            TerminalLine.clear()
        } catch {
            TerminalLine.clear()
            throw CommandFailure(description: "cannot explain \(path) on \(name): \(error)")
        }
        if json {
            try ChipOutput.printJSON(ExplainDocument(prediction, agreement))
        } else {
            print(ExplainText(prediction: prediction).text)
            if let agreement { print("\n" + text(agreement)) }
        }
        if let agreement, !agreement.isWithinBounds {
            throw CommandFailure(description: "the kernels do not compute what the model does")
        }
    }

    private func text(_ agreement: AcceleratorAgreement) -> String {
        let tokens = agreement.prompt + agreement.decoded
        return String(
            format: """
                Verified: %d tokens of a prompt and %d from the cache, value by value on one \
                simulated core, against the model in double precision:
                largest error of a logit %.3f (at most %.2f), mean %.4f (at most %.2f) of their \
                root mean square; first choice equal after %d of %d tokens.
                """,
            agreement.prompt, agreement.decoded, agreement.largestError,
            AcceleratorAgreement.largestErrorBound, agreement.meanError,
            AcceleratorAgreement.meanErrorBound, agreement.equalChoices, tokens)
    }
}

/// The prediction as scripts get it: a short form, and everything.
private struct ExplainDocument: Encodable {
    /// TTFT, TPOT and their bounds; no times where the model does not fit.
    struct Summary: Encodable {
        /// `core`, `chip` (cores share each matrix) or `copies` (a model on each core).
        var device: String
        var cores: Int
        var fits: Bool
        var ttftMilliseconds: Double?
        var ttftBoundMilliseconds: Double?
        var ttftBottleneck: String?
        var tpotMilliseconds: Double?
        var tpotBoundMilliseconds: Double?
        var tpotBottleneck: String?
        var tokensPerSecond: Double?

        init(_ name: String, _ device: DevicePrediction, copies: Int, batch: Int) {
            func milliseconds(_ nanoseconds: Double?) -> Double? { nanoseconds.map { $0 / 1e6 } }
            self.device = name
            cores = device.cores * copies
            fits = device.memory.fits
            ttftMilliseconds = milliseconds(device.prefill?.nanoseconds)
            ttftBoundMilliseconds = milliseconds(device.prefill?.bound.nanoseconds)
            ttftBottleneck = device.prefill?.boundBy.rawValue
            tpotMilliseconds = milliseconds(device.decode?.nanoseconds)
            tpotBoundMilliseconds = milliseconds(device.decode?.bound.nanoseconds)
            tpotBottleneck = device.decode?.boundBy.rawValue
            tokensPerSecond = device.decode.map {
                Double(copies * batch) / $0.nanoseconds * 1e9
            }
        }
    }

    var simulated = true
    var summary: [Summary]
    var prediction: ServingPrediction
    var agreement: AcceleratorAgreement?
    var assumptions: [String]

    init(_ prediction: ServingPrediction, _ agreement: AcceleratorAgreement?) {
        self.agreement = agreement
        let batch = prediction.workload.batch
        summary = [Summary("core", prediction.core, copies: 1, batch: batch)]
        if let chip = prediction.chip, let copy = prediction.copy {
            summary.append(Summary("chip", chip, copies: 1, batch: batch))
            summary.append(Summary("copies", copy, copies: chip.cores, batch: batch))
        }
        self.prediction = prediction
        assumptions = ExplainText(prediction: prediction).assumptions
    }
}

/// The prediction as a person reads it.
private struct ExplainText {
    let prediction: ServingPrediction

    /// Devices of the kernel tables.
    private var devices: [DevicePrediction] {
        [prediction.core] + (prediction.chip.map { [$0] } ?? [])
    }

    /// Columns of the summary.
    private var columns: [(title: String, device: DevicePrediction, copies: Int)] {
        var columns = devices.map { (name($0).uppercased(), $0, 1) }
        if let copy = prediction.copy, let chip = prediction.chip {
            columns.append(("ONE CHIP, \(chip.cores) COPIES", copy, chip.cores))
        }
        return columns
    }

    var text: String {
        let workload = prediction.workload
        let millions = String(format: "%.1f", Double(prediction.parameters) / 1e6)
        var parts = [
            """
            SIMULATED: \(prediction.model) on \(prediction.machine). No such hardware was used.
            \(prediction.layers) blocks, \(millions) million weights as \
            \(prediction.type.uppercased()); a prompt of \(workload.prompt) tokens, answers of \
            \(workload.generate), \(workload.batch) decoding together.
            """,
            TextTable(rows: summary).text,
        ]
        for device in devices {
            if let phase = device.prefill {
                parts.append(kernels(phase, "Prompt on \(name(device))"))
            }
            if let phase = device.decode {
                parts.append(kernels(phase, "Token on \(name(device))"))
            }
        }
        parts.append(
            "What this says, and what not\n"
                + assumptions.map { "  - \($0)" }.joined(separator: "\n"))
        return parts.joined(separator: "\n\n")
    }

    private func name(_ device: DevicePrediction) -> String {
        device.cores == 1 ? "one core" : "one chip, \(device.cores) cores"
    }

    // MARK: Summary

    private var summary: [[String]] {
        var rows = [[""] + columns.map(\.title)]
        func row(_ title: String, _ value: (DevicePrediction) -> String) {
            rows.append([title] + columns.map { value($0.device) })
        }
        func phase(_ title: String, _ phase: KeyPath<DevicePrediction, PhasePrediction?>) {
            row(title) { $0[keyPath: phase].map { time($0.nanoseconds) } ?? "does not fit" }
            row("  lower bound") {
                $0[keyPath: phase].map {
                    "\(time($0.bound.nanoseconds)) (\($0.bound.boundBy.rawValue))"
                } ?? "-"
            }
            row("    operations at the peak") {
                $0[keyPath: phase].map { time($0.bound.computeNanoseconds) } ?? "-"
            }
            row("    bytes at HBM's rate") {
                $0[keyPath: phase].map { time($0.bound.memoryNanoseconds) } ?? "-"
            }
            row("  of the bound") {
                $0[keyPath: phase].map { percent($0.bound.nanoseconds / $0.nanoseconds) } ?? "-"
            }
            row("  bottleneck") { $0[keyPath: phase]?.boundBy.rawValue ?? "-" }
        }
        phase("TTFT (prompt)", \.prefill)
        phase("TPOT (a token of each)", \.decode)
        rows.append(
            ["tokens/s of all sequences"]
                + columns.map { column in
                    column.device.decode.map {
                        let tokens = Double(prediction.workload.batch * column.copies)
                        return String(format: "%.0f", tokens / $0.nanoseconds * 1e9)
                    } ?? "-"
                })
        row("memory of a core") { device in
            let need = device.memory
            return "\(size(need.weightBytes)) + cache \(size(need.cacheBytes)) of "
                + size(need.capacityBytes)
        }
        return rows
    }

    // MARK: Kernels

    private func kernels(_ phase: PhasePrediction, _ title: String) -> String {
        var rows = [
            [
                "KERNEL", "CALLS", "EACH", "TOTAL", "SHARE", "BOUND BY", "TENSOR", "VECTOR",
                "SCALAR", "GPSIMD", "DMA", "SHAPE",
            ]
        ]
        for kernel in phase.kernels {
            let busy = kernel.busy
            rows.append(
                [
                    kernel.name, "\(kernel.calls)", time(kernel.nanoseconds),
                    time(kernel.totalNanoseconds), percent(kernel.share), kernel.boundBy.rawValue,
                ]
                    + [busy.tensor, busy.vector, busy.scalar, busy.gpsimd, busy.memory].map(whole)
                    + [kernel.shape])
        }
        if phase.synchronisationNanoseconds > 0 {
            let calls = phase.synchronisationNanoseconds / prediction.signalNanoseconds
            rows.append(
                [
                    "signals (cost model)", "\(Int(calls.rounded()))",
                    time(prediction.signalNanoseconds), time(phase.synchronisationNanoseconds),
                    percent(phase.synchronisationNanoseconds / phase.nanoseconds),
                    Bottleneck.synchronisation.rawValue,
                ] + [String](repeating: "-", count: 5) + ["between cores"])
        }
        return "\(title): \(time(phase.nanoseconds)), bound by \(phase.boundBy.rawValue)\n"
            + TextTable(rows: rows).text
    }

    // MARK: Assumptions

    var assumptions: [String] {
        var lines = [
            "Each kernel was traced at the model's shapes, compiled and simulated in time once; "
                + "its time is multiplied by its calls.",
            "One kernel begins when the one before it has ended. Host, launch, sampling and the "
                + "choice of embedding rows are not counted.",
            "TPOT is a pass whose caches have \(prediction.workload.decodeLength) positions: the "
                + "middle of the answer. Prompts are computed one at a time.",
            "Quantised weights become \(prediction.type.uppercased()) when they are loaded; gains "
                + "of norms are part of the matrices.",
            "BOUND BY is the busiest resource, or latency when none is busy half of the time; "
                + "resources are shares of a kernel's time.",
            "The lower bound counts the graph's operations and bytes, not the kernels': each "
                + "weight once, visible positions only; HBM at the rate of the DMA engines where "
                + "that is less.",
        ]
        guard let chip = prediction.chip else { return lines }
        lines.append("\(name(chip)), each matrix shared: \(chip.split).")
        lines.append(
            "\(chip.cores) copies: each core serves a model of its own, and HBM is shared; TTFT "
                + "and TPOT are those of one copy.")
        lines.append(
            "A sum over cores is a kernel, too: each core reads its rows of all parts from the "
                + "other cores' HBM, adds, and writes them to all (the mesh form). HBM of others "
                + "is taken to be as fast as the own; two cores share a stack. Around each sum "
                + "all cores signal: \(time(prediction.signalNanoseconds)) each, a transfer "
                + "without data by the machine's figures (`kapok chip describe`); not measured.")
        return lines
    }

    // MARK: Numbers

    private func time(_ nanoseconds: Double) -> String {
        if nanoseconds < 1e6 { return String(format: "%.2f us", nanoseconds / 1e3) }
        if nanoseconds < 1e9 { return String(format: "%.3f ms", nanoseconds / 1e6) }
        return String(format: "%.3f s", nanoseconds / 1e9)
    }

    private func percent(_ share: Double) -> String { ChipOutput.percent(share) }
    private func whole(_ share: Double) -> String { String(format: "%.0f %%", share * 100) }

    private func size(_ bytes: Int) -> String {
        let mebibytes = Double(bytes) / 1_048_576
        return mebibytes < 1024
            ? String(format: "%.1f MiB", mebibytes)
            : String(format: "%.2f GiB", mebibytes / 1024)
    }
}
