import Foundation
import KapokFabric

/// The folder of a plan: `plan.json` says what it is, `planner.pub` by whom, and each switch has a
/// file of its own, signed.
enum FabricPlanFiles {
    static let manifestName = "plan.json"
    static let keyName = "planner.pub"
    private static let largestManifest = 64 << 20

    /// What `plan.json` says. Switches trust their own file only; this is for people and scripts.
    struct Manifest: Codable {
        struct File: Codable {
            var file: String
            var name: String
        }

        var attestation: String
        var body: String
        var compatibleSince: UInt64
        var drained: [String]
        var epoch: UInt64
        var files: [File]
        var key: String
        var links: Int
        var missing: [String]
        var switches: Int
        var topology: String
    }

    // MARK: Writing

    /// Writes the plan of every switch, and takes away what an earlier plan left in the folder.
    static func write(
        _ compiled: CompiledPlan, name: String, to folder: String
    ) throws -> (files: Int, bytes: Int) {
        let url = URL(filePath: folder)
        let manager = FileManager.default
        let old = try leftovers(in: url)
        do {
            try manager.createDirectory(at: url, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(
                description: "cannot make \(folder): \(error.localizedDescription)")
        }
        let plan = compiled.plan
        var files: [Manifest.File] = []
        var bytes = 0
        for index in 0..<compiled.switchCount {
            let id = SwitchID(index)
            let file = fileName(of: id, in: plan.fabric)
            let data = Data(compiled.signedPlan(for: id).bytes)
            try put(data, url.appending(path: file))
            files.append(Manifest.File(file: file, name: plan.fabric.name(of: id)))
            bytes += data.count
            if index % 512 == 511 {
                TerminalLine.show("plans written: \(index + 1) of \(compiled.switchCount)")
            }
        }
        TerminalLine.clear()
        try put(Data("\(compiled.publicKey)\n".utf8), url.appending(path: keyName))
        let manifest = Manifest(
            attestation: plan.identities.isEmpty
                ? AcceptAllSwitches().statement
                : SignatureAttestation(identities: plan.identities).statement,
            body: compiled.bodyHash.map { String(format: "%02x", $0) }.joined(),
            compatibleSince: plan.switchPlan(for: SwitchID(0)).compatibleSince,
            drained: plan.drained.map { plan.fabric.describe($0) }, epoch: plan.epoch,
            files: files, key: compiled.publicKey.description, links: plan.fabric.linkCount,
            missing: plan.missing.map { plan.fabric.describe($0) },
            switches: compiled.switchCount, topology: name)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        // The manifest comes last: a folder without one is half written.
        try put(try encoder.encode(manifest), url.appending(path: manifestName))
        let new = Set(files.map(\.file))
        for name in old where !new.contains(name) {
            try? manager.removeItem(at: url.appending(path: name))
        }
        return (files.count, bytes)
    }

    /// The plans of an earlier run in a folder. Throws when the folder holds anything else.
    private static func leftovers(in url: URL) throws -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        guard
            let foreign = names.first(where: {
                $0 != manifestName && $0 != keyName && !$0.hasSuffix(".plan")
            })
        else { return names.filter { $0.hasSuffix(".plan") } }
        throw CommandFailure(
            description: "\(url.path) holds \(foreign), which is no plan: name a folder of its own")
    }

    /// A name of letters, digits, dots and dashes is kept; others become numbers.
    static func fileName(of id: SwitchID, in fabric: Fabric) -> String {
        let name = fabric.name(of: id)
        let isPlain =
            !name.isEmpty && name.utf8.count <= 100 && !name.hasPrefix(".")
            && name.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || "0123456789.-_".unicodeScalars.contains($0))
            }
        return (isPlain ? name : "switch-number-\(id.index)") + ".plan"
    }

    private static func put(_ data: Data, _ url: URL) throws {
        do { try data.write(to: url, options: .atomic) } catch {
            throw CommandFailure(
                description: "cannot write \(url.path): \(error.localizedDescription)")
        }
    }

    // MARK: Reading

    /// A plan as it was read, and how it is called.
    struct Loaded {
        var plan: FabricPlan
        var name: String
        var key: PlannerKey
    }

    /// Reads a folder, its manifest, or one switch's file beside the manifest. The plan itself
    /// comes out of a signed file; with `trusted` only that key will do.
    static func load(_ path: String, trusting trusted: PlannerKey? = nil) throws -> Loaded {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure(description: "there is no \(path)")
        }
        let url = URL(filePath: path)
        let folder = isFolder.boolValue ? url : url.deletingLastPathComponent()
        let manifestURL = folder.appending(path: manifestName)
        let manifest: Manifest
        do {
            let data = try read(manifestURL, atMost: largestManifest)
            manifest = try JSONDecoder().decode(Manifest.self, from: data)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(description: "\(manifestURL.path) is no manifest of a plan")
        }
        guard let key = PlannerKey(hexadecimal: manifest.key) else {
            throw CommandFailure(description: "\(manifestURL.path): \"key\" is no public key")
        }
        if let trusted, trusted != key {
            throw CommandFailure(description: "\(path) is signed by \(key), not by the key given")
        }
        let isPlan = !isFolder.boolValue && url.lastPathComponent != manifestName
        guard
            let name = isPlan ? url.lastPathComponent : manifest.files.first?.file,
            !name.contains("/")
        else { throw CommandFailure(description: "\(manifestURL.path) lists no file") }
        let file = folder.appending(path: name)
        let bytes = Array(try read(file, atMost: SignedPlan.maximumBytes))
        do {
            let plan = try SignedPlan.verify(bytes, trusting: key)
            let title = plan.topologyName.isEmpty ? manifest.topology : plan.topologyName
            return Loaded(plan: FabricPlan(plan), name: title, key: key)
        } catch {
            throw CommandFailure(description: "\(file.path): \(error)")
        }
    }

    private static func read(_ url: URL, atMost bound: Int) throws -> Data {
        guard let handle = try? FileHandle(forReadingFrom: url),
            let data = try? handle.read(upToCount: bound + 1)
        else { throw CommandFailure(description: "cannot read \(url.path)") }
        try? handle.close()
        guard data.count <= bound else {
            throw CommandFailure(description: "\(url.path) is larger than \(bound) bytes")
        }
        return data
    }
}

/// Keys in files: 32 bytes, written as 64 hexadecimal digits.
enum FabricKeyFiles {
    /// Makes a planner's key: the private half in `path`, readable by its owner alone, the public
    /// half in `path.pub`.
    static func makePlannerKey(_ path: String) throws -> PlannerKey {
        let signer = PlannerSigner()
        try writeSecret(signer.seed, path)
        do {
            try Data("\(signer.publicKey)\n".utf8).write(to: URL(filePath: path + ".pub"))
        } catch {
            throw CommandFailure(
                description: "cannot write \(path).pub: \(error.localizedDescription)")
        }
        return signer.publicKey
    }

    /// Writes 32 secret bytes to a new file, readable by its owner alone.
    static func writeSecret(_ bytes: [UInt8], _ path: String) throws {
        let text = bytes.map { String(format: "%02x", $0) }.joined() + "\n"
        // The file is made with its mode, and never in the place of another.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let why =
                errno == EEXIST
                ? "it exists already; a key is never overwritten"
                : String(cString: strerror(errno))
            throw CommandFailure(description: "cannot write \(path): \(why)")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do { try handle.write(contentsOf: Data(text.utf8)) } catch {
            throw CommandFailure(
                description: "cannot write \(path): \(error.localizedDescription)")
        }
    }

    /// Reads a planner's private key.
    static func signer(_ path: String) throws -> PlannerSigner {
        guard let signer = PlannerSigner(seed: try bytes(path)) else {
            throw CommandFailure(description: "\(path) holds no private key")
        }
        return signer
    }

    /// Reads a planner's public key.
    static func publicKey(_ path: String) throws -> PlannerKey {
        guard let key = PlannerKey(try bytes(path)) else {
            throw CommandFailure(description: "\(path) holds no public key")
        }
        return key
    }

    private static func bytes(_ path: String) throws -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path),
            let data = try? handle.read(upToCount: 256)
        else { throw CommandFailure(description: "cannot read \(path)") }
        if data.count == PlannerKey.byteCount { return Array(data) }
        let text = String(decoding: data, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = PlannerKey.bytes(hexadecimal: text) else {
            throw CommandFailure(
                description: "\(path) holds neither 32 bytes nor 64 hexadecimal digits")
        }
        return bytes
    }
}
