import KapokStore
import KapokWorld

extension Catalog {
    /// The most objects, uploads or parts of one page.
    static let maximumPage = 1000

    /// Keys in the order of their UTF-8 bytes. A common prefix is listed once, and not when the
    /// marker lies within it.
    /// - Throws: `NoSuchBucket`.
    public func listObjects(
        _ bucket: String, _ request: ListRequest
    ) async throws(S3Error) -> ListPage {
        let known = try await readBucket(bucket).bucket
        var page = ListPage(items: [], commonPrefixes: [], next: nil)
        let limit = min(request.limit, Self.maximumPage)
        guard limit > 0 else { return page }
        var scan = DelimitedScan(
            self, base: KeySpace.objects(of: known.id), prefix: request.prefix,
            delimiter: request.delimiter, after: request.after.map { .init(name: $0) },
            wanted: limit + 1)
        var last = ""
        while let step = try await scan.next() {
            guard page.items.count + page.commonPrefixes.count < limit else {
                page.next = last
                break
            }
            switch step {
            case .row(let key, _, let entry):
                do throws(ByteCodingError) {
                    let record = try ObjectRecord(decoding: entry.value, .listing)
                    page.items.append(record.listItem(key: key))
                } catch {
                    throw S3Error(error, of: "the object \(key)")
                }
                last = key
            case .commonPrefix(let prefix):
                page.commonPrefixes.append(prefix)
                last = prefix
            }
        }
        return page
    }

    /// Uploads in progress by key, those of one key in the order in which they were begun.
    ///
    /// - Parameters:
    ///   - afterKey: only uploads of keys behind this one, or
    ///   - afterUploadID: of `afterKey` behind this upload; ignored without `afterKey`.
    /// - Throws: `NoSuchBucket`, `InvalidArgument` for an upload id that is none.
    public func listUploads(
        _ bucket: String, prefix: String, delimiter: String?, afterKey: String?,
        afterUploadID: String?, limit: Int
    ) async throws(S3Error) -> UploadPage {
        let known = try await readBucket(bucket).bucket
        var page = UploadPage(uploads: [], commonPrefixes: [], nextKey: nil, nextUploadID: nil)
        let limit = min(limit, Self.maximumPage)
        let marker = try uploadMarker(known, afterKey, afterUploadID)
        guard limit > 0 else { return page }
        var scan = DelimitedScan(
            self, base: KeySpace.uploads(of: known.id), prefix: prefix, delimiter: delimiter,
            after: marker, wanted: limit + 1)
        var last: (key: String, upload: UploadID?) = ("", nil)
        while let step = try await scan.next() {
            guard page.uploads.count + page.commonPrefixes.count < limit else {
                page.nextKey = last.key
                page.nextUploadID = last.upload?.description
                break
            }
            switch step {
            case .row(let key, let storeKey, let entry):
                let id = KeySpace.uploadID(storeKey)
                page.uploads.append(try uploadRecord(entry, id).info(key: key, id: id))
                last = (key, id)
            case .commonPrefix(let prefix):
                page.commonPrefixes.append(prefix)
                last = (prefix, nil)
            }
        }
        return page
    }

    private func uploadMarker(
        _ known: KnownBucket, _ key: String?, _ upload: String?
    ) throws(S3Error) -> DelimitedScan.Marker? {
        guard let key, !key.isEmpty else { return nil }
        var marker = DelimitedScan.Marker(name: key)
        guard let upload, !upload.isEmpty else { return marker }
        guard let id = UploadID(upload) else {
            throw .invalidArgument("Invalid uploadId marker", "upload-id-marker", upload)
        }
        if !key.utf8.contains(0), key.utf8.count <= ObjectKey.maximumLength {
            marker.row = KeySpace.upload(known.id, key, id)
        }
        return marker
    }
}
