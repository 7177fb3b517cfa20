import KapokInference
import KapokModel
import KapokWorld

/// A request as its client, the driver and the oracle see it.
struct SchedulerSweepRequest {
    /// How far it is.
    enum State {
        case announced
        case refused
        case live
        case over
    }

    var client: SweepClientRequest
    var state = State.announced
    /// Prompt and generated tokens, and the history after each of them.
    var tokens: [TokenID]
    var histories: [UInt64] = []
    var mode = LatencyMode.standard
    var ending: FinishReason?
    /// The step on its way with it: executor and number.
    var executor: Int?
    /// Pages announced or promised to whoever asked for the prompt.
    var promised: [PageID] = []
    var isPromisedAll = false
    /// Positions that were in place at some time, and prompt positions that came from elsewhere.
    var reached = 0
    var shared = 0
    /// Where it stood after the last event.
    var phase: RequestPhase?
    /// When it first came to be the first in its line.
    var firstSince: Instant?
    /// Decode steps and prefill steps of its executor that went without it although it was ready.
    var missedDecodes = 0
    var missedPrefills = 0

    init(_ client: SweepClientRequest) {
        self.client = client
        tokens = client.request.prompt
        extendHistories()
    }

    var id: RequestID { client.request.id }
    var promptCount: Int { client.request.prompt.count }
    var generated: Int { tokens.count - promptCount }

    /// Brings the histories up to the tokens.
    mutating func extendHistories() {
        while histories.count < tokens.count {
            histories.append(
                SweepModel.extend(
                    histories.last ?? SweepModel.beginning, by: tokens[histories.count]))
        }
    }

    /// The text that the model gives for the prompt, up to `limit` tokens, and whether the model
    /// ended it.
    func truth(limit: Int, endsPerThousand: UInt64) -> (text: [TokenID], isEnded: Bool) {
        var history = SweepModel.beginning
        for token in client.request.prompt { history = SweepModel.extend(history, by: token) }
        var text: [TokenID] = []
        while text.count < limit {
            let token = SweepModel.next(after: history)
            text.append(token)
            history = SweepModel.extend(history, by: token)
            if client.endsByItself, SweepModel.ends(history, perThousand: endsPerThousand) {
                return (text, true)
            }
        }
        return (text, false)
    }
}
