import ArgumentParser
import Foundation

/// Where a model comes from.
enum ModelSource {
    /// How stores are reached.
    struct Options: ParsableArguments {
        @Option(
            help: """
                The store for s3://bucket/key: http://host:port. (default: KAPOK_S3_ENDPOINT, \
                AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL)
                """)
        var s3Endpoint: String?
    }

    /// The path of a file with the model: `source` itself, or where `s3://bucket/key` was put.
    static func resolve(_ source: String, _ options: Options) async throws -> String {
        guard source.hasPrefix("s3://") else {
            guard FileManager.default.fileExists(atPath: source) else {
                throw CommandFailure(description: "there is no file \(source)")
            }
            return source
        }
        let object = try StoredModel(url: source, endpoint: options.s3Endpoint)
        return try await object.fetch()
    }
}
