import NIOHTTP1

/// GetObjectAttributes.
extension S3Service {
    /// What a client may ask of an object besides its bytes.
    private enum Attribute: String, CaseIterable {
        case eTag = "ETag"
        case checksum = "Checksum"
        case objectParts = "ObjectParts"
        case storageClass = "StorageClass"
        case objectSize = "ObjectSize"
    }

    func objectAttributes(_ request: S3Request) async throws(S3Error) -> S3Response {
        let head = request.head
        let wanted = try attributes(head)
        let limit = try RequestHeaders.number(header: "x-amz-max-parts", head) ?? 1000
        let marker = try RequestHeaders.number(header: "x-amz-part-number-marker", head) ?? 0
        let entry = try await backend.object(request.bucket, request.key)
        try check(RequestHeaders.readConditions(head), entry)
        var xml = XMLWriter()
        xml.root("GetObjectAttributesResponse") { xml in
            if wanted.contains(.eTag) { xml.element("ETag", entry.eTag) }
            if wanted.contains(.checksum), let checksum = entry.checksum {
                xml.element("Checksum") { $0.checksum(checksum) }
            }
            if wanted.contains(.objectParts), !entry.parts.isEmpty {
                xml.element("ObjectParts") {
                    write(entry.parts, after: marker, limit: min(limit, 1000), to: &$0)
                }
            }
            if wanted.contains(.storageClass) { xml.element("StorageClass", "STANDARD") }
            if wanted.contains(.objectSize) { xml.element("ObjectSize", entry.length) }
        }
        let modified = dates.lastModified(entry.modifiedMilliseconds / 1000)
        return S3Response(xml, .ok, [("Last-Modified", modified)])
    }

    private func attributes(_ head: RequestHead) throws(S3Error) -> Set<Attribute> {
        let name = "x-amz-object-attributes"
        var wanted: Set<Attribute> = []
        for item in (head.joined(name) ?? "").split(separator: ",") {
            let text = String(item).trimmed
            guard let attribute = Attribute(rawValue: text) else {
                throw .invalidArgument("Invalid attribute name specified.", name, text)
            }
            wanted.insert(attribute)
        }
        guard !wanted.isEmpty else {
            throw S3Error(
                .invalidRequest,
                "The x-amz-object-attributes header specifying the attributes to be retrieved is "
                    + "either missing or empty")
        }
        return wanted
    }

    /// Parts are counted from 1 without gaps, as for reads of a part.
    private func write(
        _ parts: [PartInfo], after marker: Int, limit: Int, to xml: inout XMLWriter
    ) {
        let start = min(marker, parts.count)
        let end = min(start + limit, parts.count)
        xml.element("PartsCount", parts.count)
        xml.element("PartNumberMarker", marker)
        xml.element("NextPartNumberMarker", max(end, marker))
        xml.element("MaxParts", limit)
        xml.element("IsTruncated", end < parts.count)
        for i in start..<end {
            xml.element("Part") { xml in
                xml.element("PartNumber", i + 1)
                xml.element("Size", parts[i].length)
                if let checksum = parts[i].checksum {
                    xml.element(checksum.algorithm.elementName, checksum.base64)
                }
            }
        }
    }
}
