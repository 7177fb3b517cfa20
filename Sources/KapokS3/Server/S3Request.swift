/// A request that is signed rightly and about something: all that handlers need besides its body.
struct S3Request: Sendable {
    var head: RequestHead
    var operation: S3Operation
    /// Empty for operations on the service.
    var bucket: String
    /// Empty for operations on the service or a bucket.
    var key: String
    var payload: PayloadProtection

    /// The upload that the query names.
    /// - Throws: `NoSuchUpload` when it is empty.
    func uploadID() throws(S3Error) -> String {
        let id = head.query["uploadId"] ?? ""
        guard !id.isEmpty else { throw .noSuchUpload(id) }
        return id
    }

    /// The part that the query names, 1 to 10,000.
    func partNumber() throws(S3Error) -> Int {
        guard let number = try RequestHeaders.number("partNumber", head, in: 1...10_000) else {
            throw .invalidArgument("The part number is missing.", "partNumber", "")
        }
        return number
    }
}
