import NIOCore
import NIOHTTP1

/// An answer, before request ids and date are added.
struct S3Response: Sendable {
    /// What follows the headers.
    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Bytes of an object.
        case object(ObjectInfo, Range<UInt64>)
    }

    var status: HTTPResponseStatus
    var headers: [(String, String)]
    var body = Body.none
    /// What `Content-Length` says; nil to leave it out (204, 304).
    var length: UInt64?

    /// An answer without a body.
    init(_ status: HTTPResponseStatus = .ok, _ headers: [(String, String)] = []) {
        self.status = status
        self.headers = headers
        length = status == .noContent || status == .notModified ? nil : 0
    }

    /// An XML document.
    init(_ xml: XMLWriter, _ status: HTTPResponseStatus = .ok, _ headers: [(String, String)] = []) {
        self.status = status
        self.headers = [("Content-Type", "application/xml")] + headers
        body = .bytes(xml.bytes)
        length = UInt64(xml.bytes.count)
    }

    /// The error document, or for 304, which has no body, the headers in its details.
    init(_ error: S3Error, resource: String, requestID: String, hostID: String) {
        guard error.code != .notModified else {
            self.init(.notModified, error.details.map { ($0.name, $0.value) })
            return
        }
        var xml = XMLWriter()
        xml.element("Error") { xml in
            xml.element("Code", error.code.rawValue)
            xml.element("Message", error.message)
            for detail in error.details { xml.element(detail.name, detail.value) }
            xml.element("Resource", resource)
            xml.element("RequestId", requestID)
            xml.element("HostId", hostID)
        }
        self.init(xml, HTTPResponseStatus(statusCode: error.code.status))
    }

    /// Whether it tells of an error.
    var isError: Bool { status.code >= 400 }
}

extension [(String, String)] {
    /// Adds a header when there is a value for it.
    mutating func add(_ name: String, _ value: String?) {
        if let value { append((name, value)) }
    }

    /// Adds the header of a checksum, and `type` or else its own.
    mutating func add(_ checksum: Checksum?, type: ChecksumType? = nil) {
        guard let checksum else { return }
        append((checksum.algorithm.headerName, checksum.base64))
        append(("x-amz-checksum-type", (type ?? checksum.type).rawValue))
    }
}

extension XMLWriter {
    /// The elements of a checksum.
    mutating func checksum(_ checksum: Checksum?) {
        guard let checksum else { return }
        element(checksum.algorithm.elementName, checksum.base64)
        element("ChecksumType", checksum.type.rawValue)
    }

    /// An element around the owner of everything.
    mutating func owner(_ name: String) {
        element(name) { xml in
            xml.element("ID", RequestHeaders.ownerID)
            xml.element("DisplayName", RequestHeaders.ownerID)
        }
    }

    /// The element of an ETag, in quotes.
    mutating func eTag(_ eTag: String) { element("ETag", "\"" + eTag + "\"") }

    /// A time in milliseconds since 1970.
    mutating func time(_ name: String, _ milliseconds: Int64) {
        element(name, DateFormats.iso8601(unixMilliseconds: milliseconds))
    }
}
