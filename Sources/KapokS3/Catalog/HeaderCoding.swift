import KapokWorld

/// The fields of headers and tags, which objects and uploads have in common.
enum HeaderField {
    static let contentType: UInt64 = 32
    static let cacheControl: UInt64 = 33
    static let contentDisposition: UInt64 = 34
    static let contentEncoding: UInt64 = 35
    static let contentLanguage: UInt64 = 36
    static let expires: UInt64 = 37
    static let websiteRedirectLocation: UInt64 = 38
    static let userMetadata: UInt64 = 39
    static let tags: UInt64 = 40
}

extension RecordWriter {
    mutating func headers(_ headers: ObjectHeaders, tags: [Tag]) {
        field(HeaderField.contentType, headers.contentType)
        field(HeaderField.cacheControl, headers.cacheControl)
        field(HeaderField.contentDisposition, headers.contentDisposition)
        field(HeaderField.contentEncoding, headers.contentEncoding)
        field(HeaderField.contentLanguage, headers.contentLanguage)
        field(HeaderField.expires, headers.expires)
        field(HeaderField.websiteRedirectLocation, headers.websiteRedirectLocation)
        field(HeaderField.userMetadata, headers.user.map { ($0.name, $0.value) })
        field(HeaderField.tags, tags.map { ($0.key, $0.value) })
    }
}

extension ObjectHeaders {
    /// Takes in a field if it is one of headers.
    mutating func take(_ tag: UInt64, _ content: inout ByteReader) throws(ByteCodingError) {
        switch tag {
        case HeaderField.contentType: contentType = try content.text()
        case HeaderField.cacheControl: cacheControl = try content.text()
        case HeaderField.contentDisposition: contentDisposition = try content.text()
        case HeaderField.contentEncoding: contentEncoding = try content.text()
        case HeaderField.contentLanguage: contentLanguage = try content.text()
        case HeaderField.expires: expires = try content.text()
        case HeaderField.websiteRedirectLocation: websiteRedirectLocation = try content.text()
        case HeaderField.userMetadata:
            user = try content.pairs().map { (name: $0.0, value: $0.1) }
        default: break
        }
    }
}
