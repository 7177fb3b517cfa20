import NIOHTTP1

/// The operations on the service and on buckets.
extension S3Service {
    func listBuckets(_ request: S3Request) async throws(S3Error) -> S3Response {
        let query = request.head.query
        let limit = try RequestHeaders.number("max-buckets", request.head, in: 1...10_000)
        let prefix = query["prefix"] ?? ""
        let after = try query["continuation-token"].map { (token) throws(S3Error) in
            try PageToken.decode(token)
        }
        let listing = try await backend.listBuckets(
            prefix: prefix, after: after, limit: limit ?? 10_000)
        var xml = XMLWriter()
        xml.root("ListAllMyBucketsResult") { xml in
            xml.owner("Owner")
            xml.element("Buckets") { xml in
                for bucket in listing.buckets {
                    xml.element("Bucket") { xml in
                        xml.element("Name", bucket.name)
                        xml.time("CreationDate", bucket.createdMilliseconds)
                        xml.element("BucketRegion", configuration.region)
                    }
                }
            }
            if listing.isTruncated, let last = listing.buckets.last {
                xml.element("ContinuationToken", PageToken.encode(last.name))
            }
            if !prefix.isEmpty { xml.element("Prefix", prefix) }
        }
        return S3Response(xml)
    }

    func createBucket(
        _ request: S3Request, _ body: inout RequestBody
    ) async throws -> S3Response {
        let document = try await collect(&body, request)
        // Any constraint is accepted as a name for this region: there is no other place to go to.
        _ = try XMLRequests.createBucket(document)
        do throws(S3Error) {
            try await backend.createBucket(request.bucket)
        } catch {
            // In its first region S3 lets owners create what they have.
            guard error.code == .bucketAlreadyOwnedByYou, configuration.region == "us-east-1" else {
                throw error
            }
        }
        return S3Response(.ok, [("Location", "/" + request.bucket)])
    }

    func headBucket(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.headBucket(request.bucket)
        return S3Response(.ok, [("x-amz-bucket-region", configuration.region)])
    }

    func deleteBucket(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.deleteBucket(request.bucket)
        return S3Response(.noContent)
    }

    func bucketLocation(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.headBucket(request.bucket)
        let region = configuration.region
        var xml = XMLWriter()
        // The first region has no name here: S3 is older than its regions.
        xml.root("LocationConstraint") { $0.raw(region == "us-east-1" ? "" : region) }
        return S3Response(xml)
    }

    /// Versioning was never enabled: the document is empty.
    func bucketVersioning(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.headBucket(request.bucket)
        var xml = XMLWriter()
        xml.root("VersioningConfiguration") { _ in }
        return S3Response(xml)
    }

    /// The one owner may do everything and nobody else anything: that is what the list says.
    func getACL(_ request: S3Request) async throws(S3Error) -> S3Response {
        if request.operation == .getBucketACL {
            try await backend.headBucket(request.bucket)
        } else {
            _ = try await backend.object(request.bucket, request.key)
        }
        var xml = XMLWriter()
        xml.root("AccessControlPolicy") { xml in
            xml.owner("Owner")
            xml.element("AccessControlList") { xml in
                xml.element("Grant") { xml in
                    xml.raw(
                        "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                            + "xsi:type=\"CanonicalUser\">")
                    xml.element("ID", RequestHeaders.ownerID)
                    xml.element("DisplayName", RequestHeaders.ownerID)
                    xml.raw("</Grantee>")
                    xml.element("Permission", "FULL_CONTROL")
                }
            }
        }
        return S3Response(xml)
    }

    /// Only what is true already can be set: a private list by name.
    func putACL(_ request: S3Request) async throws(S3Error) -> S3Response {
        guard request.head["x-amz-acl"] != nil else {
            throw S3Error(
                .notImplemented,
                "Access control lists are not implemented: only x-amz-acl: private is accepted.")
        }
        if request.operation == .putBucketACL {
            try await backend.headBucket(request.bucket)
        } else {
            _ = try await backend.object(request.bucket, request.key)
        }
        return S3Response()
    }

    /// A bucket cannot have a policy here, so it has none.
    func bucketPolicy(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.headBucket(request.bucket)
        throw S3Error(
            .noSuchBucketPolicy, "The bucket policy does not exist",
            details: [("BucketName", request.bucket)])
    }

    /// A bucket cannot have CORS rules here, so it has none.
    func bucketCORS(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.headBucket(request.bucket)
        throw S3Error(
            .noSuchCORSConfiguration, "The CORS configuration does not exist",
            details: [("BucketName", request.bucket)])
    }

    // MARK: Tags

    func getTags(_ request: S3Request) async throws(S3Error) -> S3Response {
        let tags: [Tag]
        if request.operation == .getBucketTagging {
            tags = try await backend.bucketTags(request.bucket)
            guard !tags.isEmpty else {
                throw S3Error(
                    .noSuchTagSet, "The TagSet does not exist",
                    details: [("BucketName", request.bucket)])
            }
        } else {
            tags = try await backend.objectTags(request.bucket, request.key)
        }
        var xml = XMLWriter()
        xml.root("Tagging") { xml in
            xml.element("TagSet") { xml in
                for tag in tags {
                    xml.element("Tag") { xml in
                        xml.element("Key", tag.key)
                        xml.element("Value", tag.value)
                    }
                }
            }
        }
        return S3Response(xml)
    }

    func putTags(_ request: S3Request, _ body: inout RequestBody) async throws -> S3Response {
        let document = try await collect(&body, request)
        let tags = try XMLRequests.tagging(document).map { Tag(key: $0.key, value: $0.value) }
        return try await setTags(request, tags, .ok)
    }

    func deleteTags(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await setTags(request, [], .noContent)
    }

    private func setTags(
        _ request: S3Request, _ tags: [Tag], _ status: HTTPResponseStatus
    ) async throws(S3Error) -> S3Response {
        switch request.operation {
        case .putBucketTagging, .deleteBucketTagging:
            try await backend.setBucketTags(request.bucket, tags)
            return S3Response(.noContent)
        default:
            try await backend.setObjectTags(request.bucket, request.key, tags)
            return S3Response(status)
        }
    }
}
