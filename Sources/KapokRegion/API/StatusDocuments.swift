public import KapokStore

/// A drive, as the api and `kapok store` tell it.
public struct DriveDocument: Codable, Sendable, Equatable {
    /// 0 ..< number of drives.
    public var position: Int
    /// `healthy` or `failed`.
    public var state: String
    /// Why it failed; nil when healthy.
    public var failure: String?
    /// 32 hexadecimal digits; nil when they cannot be read.
    public var id: String?
    public var path: String
    public var capacityBytes: UInt64
    /// Slots that an extent has, of `slots`.
    public var usedSlots: Int
    public var slots: Int

    public init(_ report: DriveReport) {
        position = report.position
        state = report.failure == nil ? "healthy" : "failed"
        failure = report.failure
        id = report.id
        path = report.path
        capacityBytes = report.capacityBytes
        usedSlots = report.usedSlots
        slots = report.slots
    }
}

/// All drives of a store.
public struct DrivesDocument: Codable, Sendable, Equatable {
    /// In the order of their positions.
    public var drives: [DriveDocument]

    public init(_ report: StoreReport) { drives = report.drives.map(DriveDocument.init) }
}

/// A store, as the api and `kapok store` tell it.
public struct StatusDocument: Codable, Sendable, Equatable {
    /// Current objects of all buckets.
    public var objects: Int
    /// K and M.
    public var dataShards: Int
    public var parityShards: Int
    /// `flush` or `write`: when a commit is acknowledged.
    public var durability: String
    /// The epoch of the head that serves.
    public var epoch: UInt64
    /// Bytes of objects that fit in all, with all drives healthy.
    public var capacityBytes: UInt64
    /// Bytes of objects and their records that live.
    public var liveBytes: UInt64
    /// Bytes of objects that fit without compaction.
    public var freeBytes: UInt64
    public var extents: Int
    /// Extents that lack shards because a drive of theirs has failed.
    public var degradedExtents: Int
    public var healthyDrives: Int
    public var failedDrives: Int
    /// Why the store takes no writes; nil when it does.
    public var refusesWrites: String?
    public var drives: [DriveDocument]

    public init(_ report: StoreReport, objects: Int) {
        self.objects = objects
        dataShards = report.dataShards
        parityShards = report.parityShards
        durability = report.durability.rawValue
        epoch = report.epoch
        capacityBytes = report.capacityBytes
        liveBytes = report.liveBytes
        freeBytes = report.freeBytes
        extents = report.extents
        degradedExtents = report.degradedExtents
        drives = report.drives.map(DriveDocument.init)
        failedDrives = report.drives.count { $0.failure != nil }
        healthyDrives = report.drives.count - failedDrives
        refusesWrites = report.refusesWrites
    }
}

/// Whether a store can be worked with.
public struct HealthDocument: Codable, Sendable, Equatable {
    /// `ok`: everything works; `degraded`: all reads do, but a drive has failed or writes are
    /// refused; `failed`: reads do not.
    public var status: String
    public var reads: Bool
    public var writes: Bool
    public var failedDrives: Int
    /// What is wrong; nil when `ok`.
    public var reason: String?

    /// - Parameter readFailure: why the index could not be read; nil when it could.
    init(_ report: StoreReport, readFailure: String?) {
        failedDrives = report.drives.count { $0.failure != nil }
        writes = report.refusesWrites == nil
        let tooFewDrives =
            failedDrives > report.parityShards
            ? "\(failedDrives) drives have failed, and the coding covers \(report.parityShards)"
            : nil
        reads = readFailure == nil && tooFewDrives == nil
        let failed = failedDrives > 0 ? "\(failedDrives) drives have failed" : nil
        reason = readFailure ?? tooFewDrives ?? report.refusesWrites ?? failed
        status = !reads ? "failed" : reason == nil ? "ok" : "degraded"
    }
}

/// What a check found, and in one word.
public struct CheckDocument: Codable, Sendable, Equatable {
    /// Every shard is there and right, and every drive works.
    public var healthy: Bool
    public var report: CheckReport

    public init(_ report: CheckReport) {
        healthy = report.isHealthy
        self.report = report
    }
}

/// One line of a running check: exactly one of the three is there.
struct CheckLine: Codable, Sendable {
    struct Progress: Codable, Sendable {
        /// Stripes.
        var done: Int
        var of: Int
    }
    var progress: Progress?
    var healthy: Bool?
    var report: CheckReport?
    var error: APIError?
}

/// Why the api refused, as its answers carry it.
struct APIError: Codable, Error, Sendable, Equatable {
    /// One word for programs.
    var code: String
    /// What happened, and what to do.
    var message: String
}
