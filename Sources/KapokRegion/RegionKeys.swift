import Foundation
import KapokLinux
public import KapokS3

/// The access keys of a region: from the environment, or made once and kept in `keys.json` beside
/// the store, readable by its owner only.
public struct RegionKeys: Sendable {
    /// What `keys.json` holds. Further keys may be added there by hand.
    private struct File: Codable {
        var accessKey: String
        var secretKey: String
        var others: [Other]?

        struct Other: Codable {
            var accessKey: String
            var secretKey: String
        }
    }

    /// The key that is printed.
    public var primary: AccessKey
    /// All of them act as the one owner.
    public var others: [AccessKey]
    /// Where `primary` came from, for a person.
    public var origin: String

    /// Every key, the printed one first.
    public var all: [AccessKey] { [primary] + others }

    /// - Parameters:
    ///   - directory: the state directory.
    ///   - environment: `KAPOK_ACCESS_KEY` and `KAPOK_SECRET_KEY` win over the file.
    public static func load(
        directory: String, environment: [String: String]
    ) throws -> RegionKeys {
        let path = directory + "/keys.json"
        var stored: File?
        if let data = FileManager.default.contents(atPath: path) {
            do { stored = try JSONDecoder().decode(File.self, from: data) } catch {
                throw RegionError(
                    "\(path) is not what kapok wrote: \(error). Mend it, or move it away to have "
                        + "new keys made")
            }
        }
        let others = (stored?.others ?? []).map {
            AccessKey(id: $0.accessKey, secret: $0.secretKey)
        }
        let id = environment["KAPOK_ACCESS_KEY"] ?? ""
        let secret = environment["KAPOK_SECRET_KEY"] ?? ""
        if !id.isEmpty || !secret.isEmpty {
            try check(id: id, secret: secret)
            return RegionKeys(
                primary: AccessKey(id: id, secret: secret), others: others,
                origin: "the environment")
        }
        if let stored {
            return RegionKeys(
                primary: AccessKey(id: stored.accessKey, secret: stored.secretKey), others: others,
                origin: path)
        }
        let made = File(
            accessKey: "KAPOK" + random(15, from: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
            secretKey: random(
                40, from: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try PrivateFile.write(try encoder.encode(made), to: path)
        return RegionKeys(
            primary: AccessKey(id: made.accessKey, secret: made.secretKey), others: [],
            origin: path)
    }

    private static func check(id: String, secret: String) throws {
        guard id.count >= 3, secret.count >= 8, !id.contains("/"), !id.contains(" ") else {
            throw RegionError(
                "KAPOK_ACCESS_KEY and KAPOK_SECRET_KEY go together: at least 3 and 8 characters, "
                    + "the first without '/' and spaces")
        }
    }

    private static func random(_ count: Int, from alphabet: String) -> String {
        let letters = Array(alphabet)
        var generator = SystemRandomNumberGenerator()
        return String((0..<count).map { _ in letters.randomElement(using: &generator) ?? "A" })
    }
}

/// Small files that only their owner may read.
enum PrivateFile {
    /// Writes the whole file or none of it.
    static func write(_ data: Data, to path: String) throws {
        let temporary = path + ".new"
        try? FileManager.default.removeItem(atPath: temporary)
        guard
            FileManager.default.createFile(
                atPath: temporary, contents: data, attributes: [.posixPermissions: 0o600])
        else { throw RegionError("\(temporary) cannot be written") }
        if FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
        try FileManager.default.moveItem(atPath: temporary, toPath: path)
    }
}

/// Why a region cannot start; the text says what to do.
public struct RegionError: Error, Sendable, CustomStringConvertible {
    public var description: String
    public init(_ description: String) { self.description = description }
}
