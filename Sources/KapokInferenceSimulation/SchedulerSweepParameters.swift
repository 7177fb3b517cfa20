import KapokInference
import KapokModel
import KapokWorld

/// One request as its client means it.
struct SweepClientRequest {
    var request: ScheduledRequest
    var arrival: Instant
    /// When its client goes away, however far it is; for a prompt computed for others, how long
    /// its pages are wanted after they are there.
    var cancelAfter: Interval?
    /// Whether the model may end its text by itself.
    var endsByItself: Bool
}

/// One run's world, drawn from its seed.
struct SchedulerSweepParameters {
    var seed: UInt64
    var configuration: SchedulerConfiguration
    var requests: [SweepClientRequest] = []
    /// The time of a step, and of each token in it.
    var stepTime: Interval
    var tokenTime: Interval
    /// How many of a hundred drafts are right.
    var rightDrafts: UInt64
    /// How many of a thousand tokens end a text.
    var endsPerThousand: UInt64
    /// When the server begins to go down.
    var drain: Instant?
    var summary = ""

    init(seed: UInt64, defect: SchedulerDefect?) {
        self.seed = seed
        var random = RandomStream(seed: seed).split("scheduler parameters")
        configuration = Self.drawConfiguration(&random)
        configuration.defect = defect
        stepTime = .microseconds(200 + random.below(2_000 as UInt64))
        tokenTime = .microseconds(5 + random.below(100 as UInt64))
        rightDrafts = random.below(101 as UInt64)
        endsPerThousand = random.below(30 as UInt64)
        drawRequests(&random)
        if random.chance(1, in: 8), let last = requests.last {
            drain = Instant(nanoseconds: random.below(last.arrival.nanoseconds + 1))
        }
        let optimized = requests.count { $0.request.mode == .optimized }
        let prefills = requests.count { $0.request.prefillOnly }
        summary =
            "\(requests.count) requests (\(optimized) optimised, \(prefills) for others), "
            + "\(configuration.pages) pages, context \(configuration.contextLimit), "
            + "\(configuration.executors.count) executors, "
            + "\(configuration.maximumDecodeSequences)+\(configuration.optimizedLimit) places, "
            + "pulls from \(configuration.pullThreshold.map(String.init) ?? "never"), "
            + "\(configuration.hashBits) hash bits"
    }

    private static func drawConfiguration(
        _ random: inout RandomStream
    ) -> SchedulerConfiguration {
        var drawn = SchedulerConfiguration(
            pages: 4 + random.below(random.chance(1, in: 2) ? 16 : 80),
            contextLimit: 32 + random.below(300))
        drawn.executors = random.chance(1, in: 3) ? [.prefill, .decode] : [.both]
        drawn.prefillTokensPerStep = 1 + random.below(80)
        drawn.prefillTokensAlone = 1 + random.below(160)
        drawn.mixedStepTarget =
            random.chance(1, in: 2) ? .milliseconds(1 + random.below(10 as UInt64)) : nil
        drawn.maximumDecodeSequences = 1 + random.below(16)
        drawn.shortPrefill = 1 + random.below(20)
        drawn.oldestPrefillTurn = 1 + random.below(5)
        drawn.queueLimit = 4 + random.below(120)
        drawn.tenantLimit = 4 + random.below(120)
        drawn.patience = .milliseconds(5 + random.below(200 as UInt64))
        drawn.optimizedLimit = random.below(6)
        drawn.optimizedTenantLimit = random.chance(1, in: 3) ? 1 + random.below(3) : nil
        drawn.optimizedTokensPerWindow = random.chance(1, in: 3) ? 200 + random.below(2_000) : nil
        drawn.optimizedWindow = .milliseconds(50 + random.below(500 as UInt64))
        drawn.optimizedBurst = 1 + random.below(5)
        drawn.prefillTokensBesideOptimized = 1 + random.below(40)
        drawn.sequencesBesideOptimized = 1 + random.below(4)
        drawn.maximumDrafts = random.below(9)
        drawn.draftTokensPerStep = random.below(33)
        drawn.pullThreshold = random.chance(1, in: 3) ? 1 + random.below(80) : nil
        drawn.maximumPulls = 1 + random.below(4)
        drawn.pullTimeLimit = .milliseconds(10 + random.below(100 as UInt64))
        drawn.hashBits = random.chance(1, in: 4) ? 4 + random.below(6) : 64
        drawn.tenantWeights = random.chance(1, in: 3) ? [0: 3, 1: 1, 2: 2] : [:]
        return drawn
    }

    // MARK: Requests

    private mutating func drawRequests(_ random: inout RandomStream) {
        let count = 10 + random.below(110)
        let gap = UInt64(1) << (10 + random.below(16 as UInt64))  // 1 us to 32 ms
        let isPrefillRole = random.chance(1, in: 8)
        let optimized = random.chance(1, in: 4) ? 80 : random.below(60 as UInt64)
        let tenants = 1 + random.below(5)
        let prefixes = (0..<1 + random.below(5)).map { _ in
            drawTokens(8 + random.below(configuration.longestRequest / 2), &random)
        }
        var arrival = Instant.zero
        for number in 0..<count {
            arrival = arrival + Interval(nanoseconds: random.below(2 * gap + 1))
            let prompt = drawPrompt(prefixes, &random)
            var request = ScheduledRequest(
                id: RequestID(UInt64(number)), prompt: prompt,
                maximumNewTokens: 1
                    + random.below(
                        random.chance(1, in: 4) ? configuration.longestRequest / 2 : 24),
                mode: random.chance(optimized, in: 100) ? .optimized : .standard,
                tenant: UInt32(random.below(tenants)),
                prefillOnly: isPrefillRole && !random.chance(1, in: 8),
                usesPrefixCache: !random.chance(1, in: 10))
            request.speculates = random.chance(1, in: 2)
            let longest = UInt64(200_000_000)
            if random.chance(1, in: 8) {
                request.deadline = arrival + Interval(nanoseconds: random.below(longest))
            }
            let isCancelled = request.prefillOnly || random.chance(1, in: 6)
            requests.append(
                SweepClientRequest(
                    request: request, arrival: arrival,
                    cancelAfter: isCancelled
                        ? Interval(nanoseconds: random.below(longest >> random.below(12))) : nil,
                    endsByItself: random.chance(1, in: 2)))
        }
    }

    private func drawTokens(_ count: Int, _ random: inout RandomStream) -> [TokenID] {
        (0..<count).map { _ in TokenID(random.below(SweepModel.vocabulary)) }
    }

    /// A beginning that others have too, and an end of its own; sometimes the very same prompt, and
    /// sometimes one that is too long.
    private func drawPrompt(
        _ prefixes: [[TokenID]], _ random: inout RandomStream
    ) -> [TokenID] {
        var prompt: [TokenID] = []
        if !random.chance(1, in: 4) {
            prompt = prefixes[random.below(prefixes.count)]
            if random.chance(1, in: 4) { prompt.removeLast(random.below(prompt.count)) }
            if random.chance(1, in: 4) { return prompt }
        }
        let rest = configuration.longestRequest / 2 - prompt.count
        let most = random.chance(1, in: 20) ? 2 * max(rest, 1) : max(1, rest / 3)
        return prompt + drawTokens(1 + random.below(most), &random)
    }
}

/// The simulated model: each token is a function of all before it.
enum SweepModel {
    /// Few tokens, so that equal pages after different histories occur.
    static let vocabulary = 6

    /// The history after one more token.
    static func extend(_ history: UInt64, by token: TokenID) -> UInt64 {
        var z = (history ^ UInt64(UInt32(bitPattern: token))) &* 0x9FB2_1C65_1E98_DF25
        z = (z ^ (z >> 29)) &* 0xD6E8_FEB8_6659_FD93
        // Zero stands for memory that holds nothing of use.
        return (z ^ (z >> 32)) | 1
    }

    /// The history before the first token.
    static let beginning: UInt64 = 0x243F_6A88_85A3_08D3

    /// The token that follows a history.
    static func next(after history: UInt64) -> TokenID {
        TokenID((history >> 8) % UInt64(vocabulary))
    }

    /// Whether the model ends its text after a history.
    static func ends(_ history: UInt64, perThousand: UInt64) -> Bool {
        (history >> 20) % 1_000 < perThousand
    }
}
