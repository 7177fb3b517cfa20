import Dispatch
import KapokLinux
import KapokModel
import KapokWorld
import Synchronization

/// One executor: a thread that runs steps through the model and samples what comes out.
final class StepRunner: Sendable {
    /// What a runner needs of the engine.
    protocol Delegate: AnyObject, Sendable {
        /// What runs through the model for a step's entries, in their order.
        func inputs(of step: Step) -> [StepInput]
        /// How long other executors have been running steps up to `time`, in nanoseconds.
        func busyNanoseconds(beside role: ExecutorRole, upTo time: Instant) -> UInt64
        /// A step is done.
        func stepDone(_ executor: ExecutorRole, _ outcome: StepOutcome, _ sample: StepSample)
        /// A step failed.
        func stepFailed(_ executor: ExecutorRole, number: UInt64, _ error: String)
    }

    private enum Order {
        case run(Step)
        case stop
    }

    let role: ExecutorRole
    private let orders = Mutex<[Order]>([])
    private let busy = Mutex(BusyTime())
    private let ready = DispatchSemaphore(value: 0)

    init(role: ExecutorRole) { self.role = role }

    /// Starts the thread. `makeWork` runs on it: executor and draft model belong to it alone.
    func start(
        delegate: some Delegate, makeWork: @escaping @Sendable () -> StepWork
    ) throws(SystemError) {
        _ = try NativeThread(name: "kapok-\(role)") { [self, weak delegate] in
            let work = makeWork()
            while true {
                ready.wait()
                switch orders.withLock({ $0.removeFirst() }) {
                case .stop: return
                case .run(let step):
                    guard let delegate else { return }
                    run(step, work, delegate)
                }
            }
        }
    }

    /// Hands over a step; the one before it is done.
    func put(_ step: Step) {
        orders.withLock { $0.append(.run(step)) }
        ready.signal()
    }

    /// Ends the thread after what it is doing.
    func stop() {
        orders.withLock { $0.append(.stop) }
        ready.signal()
    }

    /// How long the executor has been running steps up to `time`, in nanoseconds.
    func busyNanoseconds(upTo time: Instant) -> UInt64 { busy.withLock { $0.total(upTo: time) } }

    private func run(_ step: Step, _ work: StepWork, _ delegate: some Delegate) {
        let inputs = delegate.inputs(of: step)
        let begin = MonotonicClock.now()
        let gap = busy.withLock { $0.begin(at: begin) }
        let others = delegate.busyNanoseconds(beside: role, upTo: begin)
        do {
            var (outcome, sample) = try work.run(step, inputs)
            let end = MonotonicClock.now()
            busy.withLock { $0.end(at: end) }
            sample.nanoseconds = (end - begin).nanoseconds
            sample.gapNanoseconds = gap
            sample.overlapNanoseconds =
                delegate.busyNanoseconds(beside: role, upTo: end) - others
            delegate.stepDone(role, outcome, sample)
        } catch {
            busy.withLock { $0.end(at: MonotonicClock.now()) }
            delegate.stepFailed(role, number: step.number, "\(error)")
        }
    }
}

/// What runs through the model for an entry of a step.
enum StepInput {
    /// A request for text.
    case text(ActiveRequest)
    /// The prompt of a request for keys and values alone.
    case prompt([TokenID])
    /// A request that nobody knows. It cannot be: the scheduler ends a request only after its
    /// step.
    case unknown

    /// The request, where there is one that text is made for.
    var request: ActiveRequest? {
        if case .text(let request) = self { request } else { nil }
    }
}

/// What an executor's thread works with.
final class StepWork {
    private let executor: CPUExecutor
    private let threads: ThreadPool
    private let drafter: DraftModel?
    private let vocabularySize: Int
    private let role: ExecutorRole

    init(
        role: ExecutorRole, executor: CPUExecutor, threads: ThreadPool, drafter: DraftModel?,
        vocabularySize: Int
    ) {
        self.role = role
        self.executor = executor
        self.threads = threads
        self.drafter = drafter
        self.vocabularySize = vocabularySize
    }

    /// Runs a step: tokens and drafts through the model, then a choice for each entry that samples.
    func run(_ step: Step, _ inputs: [StepInput]) throws -> (StepOutcome, StepSample) {
        var batch = StepBatch(spans: [])
        batch.spans.reserveCapacity(step.entries.count)
        var drafts: [[TokenID]] = []
        var sample = StepSample(executor: "\(role)")
        for (entry, input) in zip(step.entries, inputs) {
            let proposed: [TokenID]
            let tokens: [TokenID]
            switch input {
            case .text(let request):
                proposed = try propose(entry, request)
                tokens = request.tokens
            case .prompt(let prompt): (proposed, tokens) = ([], prompt)
            case .unknown:
                // To go on without it would make others take its pages for computed.
                throw EngineError("a step has a request that is gone")
            }
            drafts.append(proposed)
            let known = tokens[entry.start..<entry.start + entry.count]
            let span = StepBatch.Span(
                tokens: known + proposed, start: entry.start, pages: entry.pages,
                logits: entry.samples ? proposed.count + 1 : 0)
            batch.spans.append(span)
            sample.add(
                count: span.tokens.count, start: span.start, logits: span.logits,
                isDecode: entry.samples && entry.count == 1)
        }
        let logits = try executor.run(batch)
        return (
            StepOutcome(
                number: step.number, entries: choose(step, inputs.map(\.request), drafts, logits)),
            sample
        )
    }

    private func propose(_ entry: StepEntry, _ request: ActiveRequest) throws -> [TokenID] {
        guard entry.samples, entry.drafts > 0 else { return [] }
        guard let drafter, request.allowsDrafts else { return request.lookUp(entry.drafts) }
        return try drafter.drafts(for: request, count: entry.drafts)
    }

    /// Each entry's outcome. Rows of logits are dealt to the threads entry by entry.
    private func choose(
        _ step: Step, _ requests: [ActiveRequest?], _ drafts: [[TokenID]],
        _ logits: UnsafeBufferPointer<Float>
    ) -> [EntryOutcome] {
        var outcomes = step.entries.map { EntryOutcome(request: $0.request, tokens: []) }
        var jobs: [(entry: Int, row: Int)] = []
        var row = 0
        for (index, entry) in step.entries.enumerated()
        where entry.samples && requests[index] != nil {
            jobs.append((index, row))
            row += drafts[index].count + 1
        }
        let width = vocabularySize
        outcomes.withUnsafeMutableBufferPointer { outcomes in
            func work(_ job: (entry: Int, row: Int)) {
                guard let request = requests[job.entry] else { return }
                let count = drafts[job.entry].count + 1
                let rows = UnsafeBufferPointer(
                    rebasing: logits[job.row * width..<(job.row + count) * width])
                outcomes[job.entry] = request.advance(
                    rows: rows, vocabularySize: width, drafts: drafts[job.entry])
            }
            if jobs.count == 1 {
                work(jobs[0])
            } else if !jobs.isEmpty {
                let stride = threads.threads
                threads.run { index in
                    for job in Swift.stride(from: index, to: jobs.count, by: stride) {
                        work(jobs[job])
                    }
                }
            }
        }
        return outcomes
    }
}
