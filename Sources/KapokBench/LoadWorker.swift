internal import Glibc
internal import KapokWorld
internal import NIOCore

/// One request of the load generator.
struct LoadRequest {
    enum Kind {
        case headBucket, createBucket
        case headObject, putObject, getObject
    }

    /// Which tally the request belongs to.
    enum Purpose {
        case preparation, measurement, readBack
    }

    var kind: Kind
    /// Which object; 0 for buckets.
    var object = 0
    var purpose = Purpose.preparation
}

/// How a request ended.
enum LoadOutcome {
    case success
    case badStatus(Int)
    case wrongBytes(at: Int)
    case wrongLength(Int)
    case connection(String)

    /// For a person.
    func description(of request: LoadRequest) -> String {
        let text =
            switch self {
            case .success: "success"
            case .badStatus(let status): "status \(status)"
            case .wrongBytes(let position): "wrong bytes in the piece at \(position)"
            case .wrongLength(let length): "length \(length)"
            case .connection(let text): text
            }
        return "\(request.kind) \(request.object): \(text)"
    }
}

/// The plan and the counters of one event loop, confined to it. Connections ask it for requests and
/// tell it how they ended.
final class LoadWorker {
    /// What is being done.
    enum Phase: Sendable {
        case bucket, prepare
        case measure(until: NIODeadline)
        case readBack
    }

    /// Failures after which preparation gives up.
    private static let patience = 16

    let options: S3LoadOptions
    let pattern: ObjectPattern
    let eventLoop: any EventLoop
    private(set) var tally = LoadTally()
    /// When the last measured answer came.
    private(set) var lastCompletion = NIODeadline.uptimeNanoseconds(0)

    private let objects: [Int]
    private var random: RandomStream
    private var signer: RequestSigner
    private var payloadHashes: [Int: [UInt8]] = [:]
    private let keyPrefix: [UInt8]
    private let bucketPath: [UInt8]
    private var clockSecond = 0
    private var clockRead = NIODeadline.uptimeNanoseconds(0)

    private var phase = Phase.bucket
    private var queue: [LoadRequest] = []
    private var nextObject = 0
    private var failures = 0
    private var deadline = NIODeadline.distantFuture
    private var isOverdue = false
    private var hasConnected = false
    private var busy = 0
    private var finished: EventLoopPromise<Void>?
    private var connections: [LoadConnection] = []

    /// A worker for every `stride`-th object from `index`.
    init(
        options: S3LoadOptions, pattern: ObjectPattern, index: Int, stride: Int,
        eventLoop: any EventLoop
    ) {
        self.options = options
        self.pattern = pattern
        self.eventLoop = eventLoop
        objects = Array(Swift.stride(from: index, to: options.objectCount, by: stride))
        random = RandomStream(seed: options.seed).split("load").split(UInt64(index))
        signer = RequestSigner(
            accessKey: options.accessKey, secretKey: options.secretKey, region: options.region,
            host: options.endpoint.hostHeader)
        bucketPath = Array("/\(options.bucket)".utf8)
        keyPrefix = bucketPath + Array("/\(options.size.bytes)-\(options.seed)-".utf8)
    }

    /// Takes in a connection; it gets requests from the next phase on.
    func register(_ connection: LoadConnection) { connections.append(connection) }

    /// Carries out one phase; the future succeeds when no connection has anything left to do. What
    /// is under way at `deadline` is given up.
    func run(_ phase: Phase, deadline: NIODeadline) -> EventLoopFuture<Void> {
        self.phase = phase
        self.deadline = deadline
        isOverdue = false
        queue = []
        nextObject = 0
        failures = 0
        switch phase {
        case .bucket: queue = [LoadRequest(kind: .headBucket)]
        case .readBack: queue = readBackRequests()
        case .prepare, .measure: break
        }
        let promise = eventLoop.makePromise(of: Void.self)
        finished = promise
        busy = connections.count
        for connection in connections { connection.proceed() }
        return promise.futureResult
    }

    /// Called by a connection that got no request, once per phase.
    func rest() {
        busy -= 1
        guard busy == 0, let finished else { return }
        self.finished = nil
        finished.succeed()
    }

    /// Closes connections that made no progress for too long, or all when the phase is overdue;
    /// returns how far it is.
    func tick(now: NIODeadline) -> S3LoadProgress {
        let limit = TimeAmount.seconds(Int64(options.stallSeconds))
        for connection in connections { connection.failIfStalled(now: now, limit: limit) }
        if now > deadline, !isOverdue {
            isOverdue = true
            for connection in connections { connection.abandon() }
        }
        let activity =
            switch phase {
            case .bucket: "connecting"
            case .prepare: "preparing \(nextObject) of \(objects.count) objects"
            case .measure: "measuring"
            case .readBack: "reading back"
            }
        return S3LoadProgress(
            activity: activity, operations: tally.gets + tally.puts, errors: tally.errors.total)
    }

    /// Why the phase just done does not allow to go on; nil when it does.
    var preparationError: BenchError? {
        if failures >= Self.patience {
            return hasConnected
                ? .preparation(tally.firstError ?? "too many failures")
                : .unreachable(tally.firstError ?? "no connection")
        }
        return isOverdue ? .preparation("it took too long") : nil
    }

    /// Closes all connections for good.
    func shutDown() {
        for connection in connections { connection.retire() }
        connections = []
    }

    /// The next request for a free connection; nil when the phase has no more.
    func nextRequest() -> LoadRequest? {
        hasConnected = true
        guard !isOverdue else { return nil }
        switch phase {
        case .bucket, .readBack: return failures < Self.patience ? queue.popLast() : nil
        case .prepare:
            guard failures < Self.patience else { return nil }
            if let missing = queue.popLast() { return missing }
            guard nextObject < objects.count else { return nil }
            nextObject += 1
            return LoadRequest(kind: .headObject, object: objects[nextObject - 1])
        case .measure(let deadline):
            guard NIODeadline.now() < deadline else { return nil }
            let isGet =
                switch options.operation {
                case .get: true
                case .put: false
                case .mixed: random.below(100) < options.getPercent
                }
            let object: Int
            if isGet {
                object = objects[random.below(objects.count)]
            } else {
                object = objects[nextObject % objects.count]
                nextObject += 1
            }
            return LoadRequest(
                kind: isGet ? .getObject : .putObject, object: object, purpose: .measurement)
        }
    }

    private func readBackRequests() -> [LoadRequest] {
        let written = min(tally.puts, objects.count)
        let inOneGibibyte = max(1, (1 << 30) / max(options.size.bytes, 1))
        let share = (options.readBack + options.threads - 1) / options.threads
        let sample = min(written, share, inOneGibibyte)
        return (0..<sample).map { index in
            LoadRequest(
                kind: .getObject, object: objects[index * written / sample], purpose: .readBack)
        }
    }

    /// Takes in the end of `request`, begun at `start`.
    func complete(_ request: LoadRequest, _ outcome: LoadOutcome, start: NIODeadline) {
        switch (request.kind, outcome) {
        case (.headBucket, .badStatus(404)):
            queue.append(LoadRequest(kind: .createBucket))
            return
        case (.createBucket, .badStatus(409)):
            return  // Another load generator was faster.
        case (.headObject, .badStatus(404)), (.headObject, .wrongLength):
            queue.append(LoadRequest(kind: .putObject, object: request.object))
            return
        case (_, .success): recordSuccess(of: request, start: start)
        default: recordFailure(of: request, outcome)
        }
        if request.purpose == .measurement { lastCompletion = .now() }
    }

    private func recordSuccess(of request: LoadRequest, start: NIODeadline) {
        switch request.purpose {
        case .preparation: break
        case .readBack: tally.readBack += 1
        case .measurement:
            if request.kind == .getObject { tally.gets += 1 } else { tally.puts += 1 }
            tally.bytes += options.size.bytes
            tally.record(nanoseconds: UInt64((NIODeadline.now() - start).nanoseconds))
        }
    }

    private func recordFailure(of request: LoadRequest, _ outcome: LoadOutcome) {
        tally.firstError = tally.firstError ?? outcome.description(of: request)
        switch outcome {
        case .success: break
        case .badStatus: tally.errors.badStatus += 1
        case .wrongBytes: tally.errors.wrongBytes += 1
        case .wrongLength: tally.errors.wrongLength += 1
        case .connection: tally.errors.connection += 1
        }
        guard request.purpose == .preparation else { return }
        failures += 1
        guard failures < Self.patience else { return }
        queue.append(request)
    }

    /// Takes in a failed attempt to open a connection; returns whether to try again.
    func connectFailed(_ reason: String) -> Bool {
        tally.errors.connection += 1
        tally.firstError = tally.firstError ?? "connect: \(reason)"
        guard case .measure(let end) = phase else {
            failures += 1
            return failures < Self.patience && !isOverdue
        }
        return NIODeadline.now() < end
    }

    /// Writes the signed head of `request` into `buffer`.
    func writeHead(of request: LoadRequest, into buffer: inout ByteBuffer) {
        let method: StaticString =
            switch request.kind {
            case .headBucket, .headObject: "HEAD"
            case .createBucket, .putObject: "PUT"
            case .getObject: "GET"
            }
        var path = bucketPath
        switch request.kind {
        case .headBucket, .createBucket: break
        case .headObject, .putObject, .getObject:
            path = keyPrefix
            path.append(contentsOf: String(request.object).utf8)
        }
        let isPut = request.kind == .putObject
        let payload =
            isPut
            ? options.signsPayload ? payloadHash(of: request.object) : RequestSigner.unsignedPayload
            : RequestSigner.emptyPayload
        let length: Int? =
            switch request.kind {
            case .putObject: options.size.bytes
            case .createBucket: 0
            case .headBucket, .headObject, .getObject: nil
            }
        signer.write(
            method: method, path: path, payloadHash: payload, contentLength: length,
            secondsSince1970: wallClockSecond(), into: &buffer)
    }

    /// The wall clock, read at most ten times a second.
    private func wallClockSecond() -> Int {
        let now = NIODeadline.now()
        if now - clockRead > .milliseconds(100) || clockSecond == 0 {
            clockRead = now
            clockSecond = time(nil)
        }
        return clockSecond
    }

    /// The SHA-256 of an object, computed once: at most `objectCount` of them are kept.
    private func payloadHash(of object: Int) -> [UInt8] {
        if let known = payloadHashes[object] { return known }
        let hash = RequestSigner.payloadHash(
            of: object, size: options.size.bytes, pattern: pattern)
        payloadHashes[object] = hash
        return hash
    }
}
