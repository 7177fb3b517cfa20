/// How the S3 front end listens, whom it knows and what it allows.
public struct S3Configuration: Sendable {
    /// Bounds on what clients may cost.
    public struct Limits: Sendable {
        /// The most open connections; further ones wait in the kernel's queue.
        public var connections = 1024
        /// The most bytes of request line and headers.
        public var headerBytes = 32 << 10
        /// The most headers of a request.
        public var headerCount = 200
        /// The most bytes of an object put in one request: 5 GiB, as in S3.
        public var objectBytes: UInt64 = 5 << 30
        /// The most bytes of an XML document in a request.
        public var documentBytes = 1 << 20
        /// The same for `Delete` and `CompleteMultipartUpload`, which may name many things.
        public var listDocumentBytes = 4 << 20
        /// The most unread body bytes that are read over after an error to keep the connection.
        public var drainBytes = 256 << 10
        /// After so many seconds without progress of the client, its connection is closed.
        public var idleSeconds = 60
        /// Once the server has waited for `idleSeconds` in all for a body, the client must have
        /// sent so many bytes for each of these seconds, or its connection is closed.
        public var minimumBytesPerSecond = 100
        /// How long a closing connection waits for the client to take the last answer, in seconds.
        public var lingerSeconds = 5

        public init() {}
    }

    /// The address to listen on.
    public var host: String
    /// The port to listen on; 0 for any free one.
    public var port: Int
    /// Who may send requests.
    public var accessKeys: AccessKeyStore
    /// The region's own name. Signatures for any region are accepted.
    public var region: String
    /// For virtual-host style: `bucket.<domain>` names a bucket. Lower case, without port. Hosts of
    /// the form `bucket.s3.…` do so, too.
    public var baseDomains: [String]
    public var limits: Limits

    public init(
        host: String = "127.0.0.1", port: Int = 9000, accessKeys: AccessKeyStore,
        region: String = "us-east-1", baseDomains: [String] = ["localhost"],
        limits: Limits = Limits()
    ) {
        self.host = host
        self.port = port
        self.accessKeys = accessKeys
        self.region = region
        self.baseDomains = baseDomains
        self.limits = limits
    }
}
