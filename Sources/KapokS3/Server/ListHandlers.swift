/// Listings of objects, uploads and parts.
extension S3Service {
    /// The parameters that all listings share.
    private struct Common {
        var prefix: String
        var delimiter: String?
        var limit: Int
        var urlEncoding: Bool

        init(_ request: S3Request, limitName: String) throws(S3Error) {
            let query = request.head.query
            prefix = query["prefix"] ?? ""
            delimiter = query["delimiter"].flatMap { $0.isEmpty ? nil : $0 }
            let given = try RequestHeaders.number(limitName, request.head, in: 0...Int(Int32.max))
            limit = min(given ?? 1000, 1000)
            switch query["encoding-type"] {
            case .none, "": urlEncoding = false
            case "url": urlEncoding = true
            case .some(let other):
                throw .invalidArgument(
                    "Invalid Encoding Method specified in Request", "encoding-type", other)
            }
        }

        var list: ListRequest {
            var list = ListRequest()
            list.prefix = prefix
            list.delimiter = delimiter
            list.limit = limit
            return list
        }

        func write(_ prefixes: [String], to xml: inout XMLWriter) {
            for prefix in prefixes {
                xml.element("CommonPrefixes") { $0.nameElement("Prefix", prefix) }
            }
        }
    }

    func listObjects(_ request: S3Request) async throws(S3Error) -> S3Response {
        let common = try Common(request, limitName: "max-keys")
        let marker = request.head.query["marker"] ?? ""
        var list = common.list
        list.after = marker.isEmpty ? nil : marker
        let page = try await backend.listObjects(request.bucket, list)
        var xml = XMLWriter(urlEncoding: common.urlEncoding, capacity: 512 * 256)
        // Some clients decode the prefix here and some, such as botocore, do not: what decodes to
        // itself is right for both.
        let isPlain = !common.prefix.utf8.contains { "%+".utf8.contains($0) }
        xml.root("ListBucketResult") { xml in
            xml.element("Name", request.bucket)
            if isPlain {
                xml.element("Prefix", common.prefix)
            } else {
                xml.nameElement("Prefix", common.prefix)
            }
            xml.nameElement("Marker", marker)
            if common.delimiter != nil, let next = page.next {
                xml.nameElement("NextMarker", next)
            }
            xml.element("MaxKeys", common.limit)
            if let delimiter = common.delimiter { xml.nameElement("Delimiter", delimiter) }
            if common.urlEncoding { xml.element("EncodingType", "url") }
            xml.element("IsTruncated", page.next != nil)
            write(page.items, withOwner: true, to: &xml)
            common.write(page.commonPrefixes, to: &xml)
        }
        return S3Response(xml)
    }

    func listObjectsV2(_ request: S3Request) async throws(S3Error) -> S3Response {
        let common = try Common(request, limitName: "max-keys")
        let query = request.head.query
        let token = query["continuation-token"]
        let startAfter = query["start-after"]
        var list = common.list
        list.after = startAfter.flatMap { $0.isEmpty ? nil : $0 }
        if let token, !token.isEmpty { list.after = try PageToken.decode(token) }
        let page = try await backend.listObjects(request.bucket, list)
        var xml = XMLWriter(urlEncoding: common.urlEncoding, capacity: 512 * 256)
        xml.root("ListBucketResult") { xml in
            xml.element("Name", request.bucket)
            xml.nameElement("Prefix", common.prefix)
            xml.element("ContinuationToken", token)
            xml.element("NextContinuationToken", page.next.map(PageToken.encode))
            if let startAfter { xml.nameElement("StartAfter", startAfter) }
            xml.element("KeyCount", page.items.count + page.commonPrefixes.count)
            xml.element("MaxKeys", common.limit)
            if let delimiter = common.delimiter { xml.nameElement("Delimiter", delimiter) }
            if common.urlEncoding { xml.element("EncodingType", "url") }
            xml.element("IsTruncated", page.next != nil)
            write(page.items, withOwner: query["fetch-owner"] == "true", to: &xml)
            common.write(page.commonPrefixes, to: &xml)
        }
        return S3Response(xml)
    }

    /// Buckets have no versioning: each object is its own only version, called `null`.
    func listObjectVersions(_ request: S3Request) async throws(S3Error) -> S3Response {
        let common = try Common(request, limitName: "max-keys")
        let query = request.head.query
        let keyMarker = query["key-marker"] ?? ""
        let idMarker = query["version-id-marker"] ?? ""
        guard idMarker.isEmpty || (idMarker == "null" && !keyMarker.isEmpty) else {
            throw .invalidArgument(
                "Invalid version id specified", "version-id-marker", idMarker)
        }
        var list = common.list
        list.after = keyMarker.isEmpty ? nil : keyMarker
        let page = try await backend.listObjects(request.bucket, list)
        var xml = XMLWriter(urlEncoding: common.urlEncoding, capacity: 512 * 256)
        xml.root("ListVersionsResult") { xml in
            xml.element("Name", request.bucket)
            xml.nameElement("Prefix", common.prefix)
            xml.nameElement("KeyMarker", keyMarker)
            xml.element("VersionIdMarker", idMarker)
            if let next = page.next {
                xml.nameElement("NextKeyMarker", next)
                let isKey = page.items.last?.key.utf8.elementsEqual(next.utf8) == true
                if isKey { xml.element("NextVersionIdMarker", "null") }
            }
            xml.element("MaxKeys", common.limit)
            if let delimiter = common.delimiter { xml.nameElement("Delimiter", delimiter) }
            if common.urlEncoding { xml.element("EncodingType", "url") }
            xml.element("IsTruncated", page.next != nil)
            write(page.items, as: "Version", withOwner: true, to: &xml) { xml in
                xml.element("VersionId", "null")
                xml.element("IsLatest", true)
            }
            common.write(page.commonPrefixes, to: &xml)
        }
        return S3Response(xml)
    }

    private func write(
        _ objects: [ListPage.Item], as name: String = "Contents", withOwner: Bool,
        to xml: inout XMLWriter, version: (inout XMLWriter) -> Void = { _ in }
    ) {
        for object in objects {
            xml.element(name) { xml in
                xml.nameElement("Key", object.key)
                xml.time("LastModified", object.modifiedMilliseconds)
                xml.eTag(object.eTag)
                xml.element("ChecksumAlgorithm", object.checksum?.algorithm.rawValue)
                xml.element("ChecksumType", object.checksum?.type.rawValue)
                xml.element("Size", object.length)
                if withOwner { xml.owner("Owner") }
                xml.element("StorageClass", "STANDARD")
                version(&xml)
            }
        }
    }

    func listUploads(_ request: S3Request) async throws(S3Error) -> S3Response {
        let common = try Common(request, limitName: "max-uploads")
        let query = request.head.query
        let keyMarker = query["key-marker"].flatMap { $0.isEmpty ? nil : $0 }
        let idMarker = query["upload-id-marker"].flatMap { $0.isEmpty ? nil : $0 }
        let page = try await backend.listUploads(
            request.bucket, prefix: common.prefix, delimiter: common.delimiter,
            afterKey: keyMarker, afterUploadID: keyMarker == nil ? nil : idMarker,
            limit: common.limit)
        var xml = XMLWriter(urlEncoding: common.urlEncoding)
        xml.root("ListMultipartUploadsResult") { xml in
            xml.element("Bucket", request.bucket)
            xml.nameElement("KeyMarker", keyMarker ?? "")
            xml.element("UploadIdMarker", idMarker ?? "")
            if let next = page.nextKey { xml.nameElement("NextKeyMarker", next) }
            xml.element("NextUploadIdMarker", page.nextUploadID)
            xml.nameElement("Prefix", common.prefix)
            if let delimiter = common.delimiter { xml.nameElement("Delimiter", delimiter) }
            if common.urlEncoding { xml.element("EncodingType", "url") }
            xml.element("MaxUploads", common.limit)
            xml.element("IsTruncated", page.nextKey != nil)
            for upload in page.uploads {
                xml.element("Upload") { xml in
                    xml.nameElement("Key", upload.key)
                    xml.element("UploadId", upload.id)
                    writeCommon(upload, to: &xml)
                    xml.time("Initiated", upload.begunMilliseconds)
                }
            }
            common.write(page.commonPrefixes, to: &xml)
        }
        return S3Response(xml)
    }

    private func writeCommon(_ upload: UploadInfo, to xml: inout XMLWriter) {
        xml.owner("Initiator")
        xml.owner("Owner")
        xml.element("StorageClass", "STANDARD")
        xml.element("ChecksumAlgorithm", upload.checksumAlgorithm?.rawValue)
        xml.element("ChecksumType", upload.checksumType?.rawValue)
    }

    func listParts(_ request: S3Request) async throws(S3Error) -> S3Response {
        let bounds = 0...Int(Int32.max)
        let limit = try RequestHeaders.number("max-parts", request.head, in: bounds) ?? 1000
        let marker = try RequestHeaders.number("part-number-marker", request.head, in: bounds) ?? 0
        let page = try await backend.listParts(
            request.bucket, request.key, upload: try request.uploadID(), after: marker,
            limit: min(limit, 1000))
        var xml = XMLWriter()
        xml.root("ListPartsResult") { xml in
            xml.element("Bucket", request.bucket)
            xml.element("Key", request.key)
            xml.element("UploadId", page.upload.id)
            writeCommon(page.upload, to: &xml)
            xml.element("PartNumberMarker", marker)
            xml.element("NextPartNumberMarker", page.parts.last?.number ?? 0)
            xml.element("MaxParts", min(limit, 1000))
            xml.element("IsTruncated", page.isTruncated)
            for part in page.parts {
                xml.element("Part") { xml in
                    xml.element("PartNumber", part.number)
                    xml.time("LastModified", part.modifiedMilliseconds)
                    xml.eTag(part.eTag)
                    xml.element("Size", part.length)
                    if let checksum = part.checksum {
                        xml.element(checksum.algorithm.elementName, checksum.base64)
                    }
                }
            }
        }
        return S3Response(xml)
    }
}
