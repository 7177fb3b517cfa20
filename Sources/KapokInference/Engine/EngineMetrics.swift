import KapokWorld

/// What the engine counts, under its lock.
struct EngineMetrics {
    /// Histograms of one latency mode.
    struct Latencies {
        var timeToFirstToken = DurationHistogram()
        var interTokenLatency = DurationHistogram()
        var timePerOutputToken = DurationHistogram()
        var requestDuration = DurationHistogram()
    }

    private var latencies = [LatencyMode: Latencies](
        uniqueKeysWithValues: LatencyMode.allCases.map { ($0, Latencies()) })
    private var finished: [FinishReason: UInt64] = [:]
    private var refused: UInt64 = 0
    private var promptTokens: UInt64 = 0
    private var cachedTokens: UInt64 = 0
    private var pulledTokens: UInt64 = 0
    private var generatedTokens: UInt64 = 0
    private var draftedTokens: UInt64 = 0
    private var acceptedTokens: UInt64 = 0
    private var preemptions: UInt64 = 0
    private var steps: [ExecutorRole: UInt64] = [:]
    private var stepSeconds: [ExecutorRole: Double] = [:]

    /// Counts `tokens` tokens that came at once, and moves `timing` on. The tokens of one step
    /// arrive together: the first after the whole time, the others after none.
    mutating func recordTokens(
        _ tokens: Int, mode: LatencyMode, timing: inout ActiveRequest.Timing, at now: Instant
    ) {
        guard tokens > 0 else { return }
        let seconds = { (interval: Interval) in Double(interval.nanoseconds) / 1e9 }
        if let last = timing.lastToken {
            latencies[mode]?.interTokenLatency.record(seconds: seconds(now - last))
        } else {
            timing.firstToken = now
            latencies[mode]?.timeToFirstToken.record(seconds: seconds(now - timing.submitted))
        }
        if tokens > 1 {
            latencies[mode]?.interTokenLatency.record(seconds: 0, times: UInt64(tokens - 1))
        }
        timing.lastToken = now
    }

    /// Counts a request that ended.
    mutating func recordEnd(
        _ reason: FinishReason, account: RequestAccount, promptTokens prompt: Int,
        timing: ActiveRequest.Timing, at now: Instant
    ) {
        finished[reason, default: 0] += 1
        promptTokens += UInt64(prompt)
        cachedTokens += UInt64(account.cachedTokens)
        pulledTokens += UInt64(account.pulledTokens)
        generatedTokens += UInt64(account.generatedTokens)
        draftedTokens += UInt64(account.draftedTokens)
        acceptedTokens += UInt64(account.acceptedTokens)
        preemptions += UInt64(account.preemptions)
        let duration = Double((now - timing.submitted).nanoseconds) / 1e9
        latencies[account.mode]?.requestDuration.record(seconds: duration)
        if let first = timing.firstToken, let last = timing.lastToken,
            account.generatedTokens > 1
        {
            let seconds = Double((last - first).nanoseconds) / 1e9
            latencies[account.mode]?.timePerOutputToken.record(
                seconds: seconds / Double(account.generatedTokens - 1))
        }
    }

    /// Counts a request that was not taken.
    mutating func recordRefusal() { refused += 1 }

    /// Counts a step.
    mutating func recordStep(_ executor: ExecutorRole, seconds: Double) {
        steps[executor, default: 0] += 1
        stepSeconds[executor, default: 0] += seconds
    }

    /// All of it in Prometheus' text format.
    func text() -> String {
        var text = ""
        func counter(_ name: String, _ help: String, _ lines: [(labels: String, value: String)]) {
            text += "# HELP \(name) \(help)\n# TYPE \(name) counter\n"
            for line in lines { text += "\(name)\(line.labels) \(line.value)\n" }
        }
        counter(
            "kapok_requests_finished_total", "Requests that ended, by reason.",
            FinishReason.allCases.map {
                ("{reason=\"\($0.rawValue)\"}", "\(finished[$0] ?? 0)")
            })
        counter("kapok_requests_refused_total", "Requests not taken.", [("", "\(refused)")])
        counter(
            "kapok_prompt_tokens_total", "Prompt tokens, by where their keys came from.",
            [
                (
                    "{source=\"computed\"}",
                    "\(promptTokens &- min(promptTokens, cachedTokens + pulledTokens))"
                ), ("{source=\"cache\"}", "\(cachedTokens)"),
                ("{source=\"pulled\"}", "\(pulledTokens)"),
            ])
        counter("kapok_generated_tokens_total", "Tokens generated.", [("", "\(generatedTokens)")])
        counter(
            "kapok_draft_tokens_total", "Speculative tokens, tried and accepted.",
            [
                ("{outcome=\"tried\"}", "\(draftedTokens)"),
                ("{outcome=\"accepted\"}", "\(acceptedTokens)"),
            ])
        counter("kapok_preemptions_total", "Requests set back.", [("", "\(preemptions)")])
        let roles = ExecutorRole.allCases.filter { steps[$0] != nil }
        counter(
            "kapok_steps_total", "Passes through the model.",
            roles.map { ("{executor=\"\($0)\"}", "\(steps[$0] ?? 0)") })
        counter(
            "kapok_step_seconds_total", "Time in passes through the model.",
            roles.map { ("{executor=\"\($0)\"}", "\(stepSeconds[$0] ?? 0)") })
        histogram(
            "kapok_time_to_first_token_seconds", "From the request to its first token.",
            \.timeToFirstToken, to: &text)
        histogram(
            "kapok_inter_token_latency_seconds", "From one token to the next.",
            \.interTokenLatency, to: &text)
        histogram(
            "kapok_time_per_output_token_seconds", "A request's mean time per further token.",
            \.timePerOutputToken, to: &text)
        histogram(
            "kapok_request_seconds", "From the request to its end.", \.requestDuration, to: &text)
        return text
    }

    private func histogram(
        _ name: String, _ help: String, _ path: KeyPath<Latencies, DurationHistogram>,
        to text: inout String
    ) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) histogram\n"
        for mode in LatencyMode.allCases {
            latencies[mode]?[keyPath: path].write(
                name, labels: "mode=\"\(mode.rawValue)\"", to: &text)
        }
    }
}
