internal import NIOCore
internal import NIOPosix

/// How far a measurement has come.
public struct S3LoadProgress: Sendable {
    /// What is being done, for a person.
    public var activity: String
    /// Right answers so far, within the measured time.
    public var operations: Int
    /// Failed requests so far.
    public var errors: Int
}

/// Measures an S3 endpoint: opens all connections, writes the objects to read, sends requests for
/// the stated time, checks every byte of every GET, and reads a sample of what it wrote back.
///
/// Memory is bounded by the connections and does not depend on the objects' size. Time is bounded
/// by `S3LoadOptions`: a phase that overruns is cut off, and what was under way counts as errors.
public struct S3Load: Sendable {
    private let options: S3LoadOptions

    /// A measurement by `options`. Throws `BenchError.invalidOption` for what is out of bounds.
    public init(_ options: S3LoadOptions) throws(BenchError) {
        try options.validate()
        self.options = options
    }

    /// Carries the measurement out. `progress` is told about it once a second. Throws when nothing
    /// could be measured; failed requests do not throw, they are in the report.
    public func run(
        progress: @Sendable @escaping (S3LoadProgress) -> Void = { _ in }
    ) async throws(BenchError) -> S3LoadReport {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let outcome: Result<S3LoadReport, BenchError>
        do throws(BenchError) {
            outcome = .success(try await measure(on: group, progress: progress))
        } catch {
            outcome = .failure(error)
        }
        try? await group.shutdownGracefully()
        return try outcome.get()
    }

    private func measure(
        on group: MultiThreadedEventLoopGroup,
        progress: @Sendable @escaping (S3LoadProgress) -> Void
    ) async throws(BenchError) -> S3LoadReport {
        let crew = await LoadCrew(options: options, group: group)
        let ticker = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(1))
                progress(await crew.tick())
            }
        }
        defer { ticker.cancel() }
        let result: Result<S3LoadReport, BenchError>
        do throws(BenchError) {
            result = .success(try await phases(crew))
        } catch {
            result = .failure(error)
        }
        await crew.shutDown()
        return try result.get()
    }

    private func phases(_ crew: LoadCrew) async throws(BenchError) -> S3LoadReport {
        try await crew.prepare(.bucket, limit: .seconds(60))
        if options.operation != .put {
            try await crew.prepare(.prepare, limit: .seconds(3600))
        }
        let start = NIODeadline.now()
        let duration = TimeAmount.milliseconds(Int64(options.seconds * 1000))
        // Requests begun in time may end later: at 1 MB/s altogether, if need be.
        let bytesUnderWay = options.size.bytes * options.connections
        let grace = TimeAmount.seconds(Int64(options.stallSeconds + bytesUnderWay / 1_000_000))
        await crew.run(.measure(until: start + duration), limit: duration + grace)
        let (measured, last) = await crew.tally()
        await crew.run(.readBack, limit: .seconds(600))
        var (tally, _) = await crew.tally()
        tally.latencies = measured.latencies
        guard tally.gets + tally.puts > 0 else {
            throw .preparation("no request succeeded: \(tally.firstError ?? "none was sent")")
        }
        let elapsed = Double(max(1, (last - start).nanoseconds)) / 1e9
        return S3LoadReport(options: options, tally: tally, elapsedSeconds: elapsed)
    }
}

/// The workers of one measurement, one for each event loop.
private struct LoadCrew: Sendable {
    private let options: S3LoadOptions
    private let workers: [NIOLoopBound<LoadWorker>]
    private let loops: [any EventLoop]

    init(options: S3LoadOptions, group: MultiThreadedEventLoopGroup) async {
        self.options = options
        let loops = Array(group.makeIterator())
        let pattern = ObjectPattern(seed: options.seed)
        var workers: [NIOLoopBound<LoadWorker>] = []
        for (index, loop) in loops.enumerated() {
            let bound = await Self.on(loop) {
                let worker = LoadWorker(
                    options: options, pattern: pattern, index: index, stride: loops.count,
                    eventLoop: loop)
                for _ in stride(from: index, to: options.connections, by: loops.count) {
                    worker.register(LoadConnection(worker: worker))
                }
                return NIOLoopBound(worker, eventLoop: loop)
            }
            workers.append(bound)
        }
        self.workers = workers
        self.loops = loops
    }

    /// Runs `body` on `loop`, which outlives it.
    private static func on<T: Sendable>(
        _ loop: any EventLoop, _ body: @Sendable @escaping () -> T
    ) async -> T {
        await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body()) }
        }
    }

    /// Runs `phase` on all workers until it is done, at most for `limit`.
    func run(_ phase: LoadWorker.Phase, limit: TimeAmount) async {
        let deadline = NIODeadline.now() + limit
        await withTaskGroup(of: Void.self) { group in
            for (worker, loop) in zip(workers, loops) {
                group.addTask {
                    try? await loop.flatSubmit { worker.value.run(phase, deadline: deadline) }
                        .get()
                }
            }
        }
    }

    /// Runs a phase that must succeed before anything can be measured.
    func prepare(_ phase: LoadWorker.Phase, limit: TimeAmount) async throws(BenchError) {
        await run(phase, limit: limit)
        for (worker, loop) in zip(workers, loops) {
            if let error = await Self.on(loop, { worker.value.preparationError }) { throw error }
        }
    }

    /// What was counted so far, and when the last measured answer came.
    func tally() async -> (LoadTally, last: NIODeadline) {
        var sum = LoadTally()
        var last = NIODeadline.uptimeNanoseconds(0)
        for (worker, loop) in zip(workers, loops) {
            let (part, end) = await Self.on(loop) {
                (worker.value.tally, worker.value.lastCompletion)
            }
            sum.add(part)
            last = max(last, end)
        }
        return (sum, last)
    }

    /// Enforces the time limits; returns where the measurement is.
    func tick() async -> S3LoadProgress {
        var progress = S3LoadProgress(activity: "", operations: 0, errors: 0)
        for (worker, loop) in zip(workers, loops) {
            let part = await Self.on(loop) { worker.value.tick(now: .now()) }
            progress.activity = part.activity
            progress.operations += part.operations
            progress.errors += part.errors
        }
        return progress
    }

    /// Closes every connection.
    func shutDown() async {
        for (worker, loop) in zip(workers, loops) {
            await Self.on(loop) { worker.value.shutDown() }
        }
    }
}
