/// What kind of requests a measurement sends.
public enum S3LoadOperation: String, CaseIterable, Sendable, Codable {
    /// Whole-object PUTs, going round the objects.
    case put
    /// Whole-object GETs of objects chosen at random.
    case get
    /// GETs and PUTs by `S3LoadOptions.getPercent`.
    case mixed
}

/// How to measure an S3 endpoint.
public struct S3LoadOptions: Sendable {
    /// Where to.
    public var endpoint: Endpoint
    /// Created when it does not exist; 3 to 63 of `a-z 0-9 - .`.
    public var bucket = "kapok-bench"
    /// The access key id that signs the requests.
    public var accessKey: String
    /// The secret key that signs the requests.
    public var secretKey: String
    /// The region in the signature's scope.
    public var region = "us-east-1"
    /// What to send.
    public var operation = S3LoadOperation.get
    /// The size of each object; 0 to 5 GiB.
    public var size = ByteSize(bytes: 4096)
    /// Connections, each with one request at a time; 1 to 4,096.
    public var connections = 64
    /// How long to begin new requests, in seconds; 0.1 to 3,600. Those under way are finished.
    public var seconds = 10.0
    /// How many different objects; nil for at most 10,000 and at most 1 GiB altogether, but as
    /// many as connections.
    public var objects: Int?
    /// Signs the body of each PUT instead of sending UNSIGNED-PAYLOAD.
    public var signsPayload = false
    /// The share of GETs in `mixed`, 0 to 100.
    public var getPercent = 50
    /// How many written objects to read back after the measured time, without counting them.
    public var readBack = 64
    /// Event loops that send and check; 1 to 64. One suffices for tens of thousands of requests
    /// a second, and leaves the other cores to the server.
    public var threads = 1
    /// A request without progress for so long counts as a connection error, in seconds.
    public var stallSeconds = 30
    /// Chooses the objects' content and the order of requests.
    public var seed: UInt64 = 1

    /// Options with the defaults above.
    public init(endpoint: Endpoint, accessKey: String, secretKey: String) {
        self.endpoint = endpoint
        self.accessKey = accessKey
        self.secretKey = secretKey
    }

    /// The number of objects in force.
    public var objectCount: Int {
        if let objects { return objects }
        let inOneGibibyte = (1 << 30) / max(size.bytes, 1)
        return max(connections, min(10_000, inOneGibibyte))
    }

    /// Refuses what is out of bounds.
    func validate() throws(BenchError) {
        func check(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws(BenchError) {
            guard range.contains(value) else {
                throw .invalidOption(
                    "\(name) is \(value), not between \(range.lowerBound) and \(range.upperBound)")
            }
        }
        try check("size", size.bytes, in: 0...ByteSize.largestPut.bytes)
        try check("threads", threads, in: 1...64)
        try check("connections", connections, in: threads...4096)
        guard (0.1...3600).contains(seconds) else {
            throw .invalidOption("seconds is \(seconds), not between 0.1 and 3600")
        }
        try check("objects", objectCount, in: threads...10_000_000)
        try check("get percent", getPercent, in: 0...100)
        try check("read back", readBack, in: 0...100_000)
        try check("stall seconds", stallSeconds, in: 1...3600)
        let isBucketByte = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard (3...63).contains(bucket.utf8.count), bucket.utf8.allSatisfy(isBucketByte) else {
            throw .invalidOption("bucket \"\(bucket)\" is not a bucket name")
        }
        for (name, value) in [("access key", accessKey), ("region", region)] {
            let isPlain = value.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }
            guard !value.isEmpty, value.utf8.count <= 128, isPlain else {
                throw .invalidOption("the \(name) is missing or holds odd characters")
            }
        }
        guard !secretKey.isEmpty else { throw .invalidOption("the secret key is missing") }
    }
}
