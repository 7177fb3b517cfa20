import KapokLinux
import KapokModel
import KapokWorld
import Logging

extension Engine: StepRunner.Delegate {
    func inputs(of step: Step) -> [StepInput] {
        withState { state in
            step.entries.map { entry in
                if let request = state.requests[entry.request] { return .text(request) }
                return state.prompts[entry.request].map { .prompt($0) } ?? .unknown
            }
        }
    }

    func busyNanoseconds(beside role: ExecutorRole, upTo time: Instant) -> UInt64 {
        runners.reduce(0) { $1.role == role ? $0 : $0 + $1.busyNanoseconds(upTo: time) }
    }

    func stepDone(_ executor: ExecutorRole, _ outcome: StepOutcome, _ sample: StepSample) {
        stepLog?.write(sample)
        let now = MonotonicClock.now()
        submit { state in
            state.metrics.recordStep(executor, seconds: Double(sample.nanoseconds) / 1e9)
            for entry in outcome.entries {
                guard let request = state.requests[entry.request] else { continue }
                state.metrics.recordTokens(
                    entry.tokens.count, mode: request.mode, timing: &request.timing, at: now)
            }
            return .stepDone(executor: executor, outcome)
        }
    }

    func stepFailed(_ executor: ExecutorRole, number: UInt64, _ error: String) {
        log.error("a step failed", metadata: ["executor": "\(executor)", "error": "\(error)"])
        submit { state in
            state.failure = error
            return .stepDone(executor: executor, StepOutcome(number: number, entries: []))
        }
    }
}
