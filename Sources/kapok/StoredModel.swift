import Foundation
import FoundationNetworking

/// A model that lies in an S3 store, Kapok's or another, and its copy on this machine.
///
/// It is fetched in ranges of one version (`If-Match`), each tried a few times, into a file that
/// the next start takes up where this one was cut off. The copy's name holds the version, so that
/// a changed object is fetched again and an unchanged one is not.
struct StoredModel {
    /// Bytes of one request: memory stays bounded, and little is lost with a connection.
    private static let rangeBytes = 16 << 20
    private static let attempts = 4

    private let source: String
    private let endpoint: URL
    private let bucket: String
    private let key: String
    private let signature: StoredModelSignature?

    /// The object at `s3://bucket/key`, in the store at `endpoint` or the environment's.
    init(url: String, endpoint: String?) throws {
        let environment = ProcessInfo.processInfo.environment
        let parts = url.dropFirst("s3://".count).split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else {
            throw CommandFailure(description: "\(url) is not of the form s3://bucket/key")
        }
        let named =
            endpoint ?? environment["KAPOK_S3_ENDPOINT"] ?? environment["AWS_ENDPOINT_URL_S3"]
            ?? environment["AWS_ENDPOINT_URL"]
        guard let named else {
            throw CommandFailure(
                description: "which store has \(url)? Say it with --s3-endpoint http://host:port "
                    + "or KAPOK_S3_ENDPOINT")
        }
        guard let address = URL(string: named), let scheme = address.scheme,
            ["http", "https"].contains(scheme), address.host != nil
        else { throw CommandFailure(description: "'\(named)' is no endpoint: http://host:port") }
        source = url
        self.endpoint = address
        bucket = String(parts[0])
        key = String(parts[1])
        signature = StoredModelSignature(environment: environment)
    }

    /// The path of the copy, fetched now unless it is there.
    func fetch() async throws -> String {
        let (length, version) = try await describe()
        let folder = defaultDataDirectory() + "/models"
        let path = "\(folder)/\(name(version))"
        let manager = FileManager.default
        if Self.size(of: path) == length { return path }
        do {
            try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(
                description: "cannot make \(folder): \(error.localizedDescription)")
        }
        let part = path + ".part"
        let descriptor = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CommandFailure(
                description: "cannot write \(part): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        // Another start may be fetching the same object: it goes on, and this one finds its file.
        flock(descriptor, LOCK_EX)
        if Self.size(of: path) == length { return path }
        try await copy(to: descriptor, length: length, version: version)
        guard fsync(descriptor) == 0, rename(part, path) == 0 else {
            throw CommandFailure(
                description: "cannot finish \(path): \(String(cString: strerror(errno)))")
        }
        return path
    }

    /// A file name of the key's last part and the version.
    private func name(_ version: String) -> String {
        let last = key.split(separator: "/").last.map(String.init) ?? "model"
        let text = "\(bucket)-\(version)-\(last)"
        return String(
            text.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" }
                .suffix(200))
    }

    private static func size(of path: String) -> Int? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.size] as? NSNumber)?.intValue
    }

    private func copy(to descriptor: Int32, length: Int, version: String) async throws {
        var position = Int(lseek(descriptor, 0, SEEK_END))
        if position > length {
            ftruncate(descriptor, 0)
            position = 0
        }
        while position < length {
            TerminalLine.show(
                "fetching \(source): \(sizeText(UInt64(position))) of \(sizeText(UInt64(length)))")
            let end = min(position + Self.rangeBytes, length)
            let data = try await range(position..<end, version: version)
            var written = 0
            while written < data.count {
                let count = data.withUnsafeBytes {
                    pwrite(
                        descriptor, $0.baseAddress.map { $0 + written }, data.count - written,
                        off_t(position + written))
                }
                guard count > 0 else {
                    throw CommandFailure(
                        description: "cannot write the copy of \(source): "
                            + String(cString: strerror(errno)))
                }
                written += count
            }
            position = end
        }
        TerminalLine.clear()
    }

    // MARK: Requests

    private func describe() async throws -> (length: Int, version: String) {
        let (_, answer) = try await send("HEAD")
        guard let text = answer.value(forHTTPHeaderField: "Content-Length"),
            let length = Int(text), length > 0
        else { throw CommandFailure(description: "\(source) is empty") }
        guard let version = answer.value(forHTTPHeaderField: "ETag") else {
            throw CommandFailure(description: "the store gives \(source) no ETag")
        }
        return (length, version.filter { $0 != "\"" })
    }

    private func range(_ range: Range<Int>, version: String) async throws -> Data {
        let (data, _) = try await send(
            "GET",
            [
                "Range": "bytes=\(range.lowerBound)-\(range.upperBound - 1)",
                "If-Match": "\"\(version)\"",
            ])
        guard data.count == range.count else {
            throw CommandFailure(
                description: "the store sent \(data.count) of \(range.count) bytes of \(source)")
        }
        return data
    }

    /// Sends a request, again after an error that may pass.
    private func send(
        _ method: String, _ headers: [String: String] = [:]
    ) async throws -> (Data, HTTPURLResponse) {
        var failure = ""
        for attempt in 0..<Self.attempts {
            if attempt > 0 { try await Task.sleep(for: .milliseconds(200 << attempt)) }
            do {
                let (data, answer) = try await URLSession.shared.data(
                    for: try request(method, headers))
                guard let answer = answer as? HTTPURLResponse else { continue }
                switch answer.statusCode {
                case 200, 206: return (data, answer)
                case 500...: failure = "the store answered \(answer.statusCode)"
                default: throw refusal(answer.statusCode)
                }
            } catch let error as URLError {
                failure = error.localizedDescription
            }
        }
        throw CommandFailure(
            description: "cannot fetch \(source) from \(endpoint.absoluteString): \(failure)")
    }

    private func refusal(_ status: Int) -> CommandFailure {
        let why =
            switch status {
            case 403:
                signature == nil
                    ? "it asks for keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    : "the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY do not allow it"
            case 404: "there is no such object"
            case 412: "the object changed while it was fetched: start again"
            default: "the store answered \(status)"
            }
        return CommandFailure(description: "cannot fetch \(source): \(why)")
    }

    private func request(_ method: String, _ headers: [String: String]) throws -> URLRequest {
        let path = StoredModelSignature.coded(path: "/\(bucket)/\(key)")
        let base = endpoint.absoluteString.hasSuffix("/") ? "" : "/"
        guard let url = URL(string: endpoint.absoluteString + base + path.dropFirst()) else {
            throw CommandFailure(description: "\(source) is no object's name")
        }
        var request = URLRequest(url: url, timeoutInterval: 60)
        request.httpMethod = method
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        let host = (url.host ?? "") + (url.port.map { ":\($0)" } ?? "")
        signature?.sign(&request, host: host, path: path, at: Date())
        return request
    }
}
