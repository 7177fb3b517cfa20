import Foundation

/// What is written down about a lab, so that another command, also after a crash, finds all of it.
public struct LabState: Codable, Sendable {
    /// The lab's name.
    public var id: String
    /// What finds its ways.
    public var routing: LabProtocol
    /// The topology's name; empty for a wiring, which lies beside the state as `wiring.dot`.
    public var topology: String
    /// Whether all was started and the network had converged.
    public var isUp: Bool

    /// Where labs write their state, one folder each.
    public static let defaultFolder = "/run/kapok-lab"
}

/// The folder of a lab's state.
struct LabFolder: Sendable {
    /// Its path.
    var path: String

    init(root: String, id: String) { path = "\(root)/\(id)" }

    /// Makes the folder; fails when a lab of that name is there.
    func create() throws {
        let root = (path as NSString).deletingLastPathComponent
        do {
            try FileManager.default.createDirectory(
                atPath: root, withIntermediateDirectories: true)
        } catch {
            throw LabFailure("cannot make \(root): \(error.localizedDescription)")
        }
        guard mkdir(path, 0o755) == 0 else {
            let name = (path as NSString).lastPathComponent
            guard errno == EEXIST else {
                throw LabFailure("cannot make \(path): \(String(cString: strerror(errno)))")
            }
            throw LabFailure(
                "a lab named \(name) is there (\(path)): kapok fabric lab down --id \(name)")
        }
    }

    /// Whether there is such a lab.
    var exists: Bool { access(path, F_OK) == 0 }

    /// A file in the folder.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes the state.
    func save(_ state: LabState) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        do {
            try encoder.encode(state).write(to: URL(filePath: file("state.json")), options: .atomic)
        } catch {
            throw LabFailure("cannot write \(file("state.json")): \(error.localizedDescription)")
        }
    }

    /// Reads the state.
    func load() throws -> LabState {
        guard let text = LabFiles.text(of: file("state.json")) else {
            throw LabFailure("there is no lab in \(path): kapok fabric lab up")
        }
        do { return try JSONDecoder().decode(LabState.self, from: Data(text.utf8)) } catch {
            throw LabFailure("\(file("state.json")) is damaged: kapok fabric lab down")
        }
    }

    /// Adds a process to those that belong to the lab.
    func record(_ process: LabProcess) throws {
        let line = "\(process.pid) \(process.startTicks) \(process.name)\n"
        let descriptor = open(file("processes"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw LabFailure("cannot write \(file("processes"))")
        }
        defer { close(descriptor) }
        let written = line.withCString { write(descriptor, $0, strlen($0)) }
        guard written == line.utf8.count else {
            throw LabFailure("cannot write \(file("processes"))")
        }
    }

    /// The processes that were recorded and still run.
    func livingProcesses() -> [LabProcess] {
        let text = LabFiles.text(of: file("processes")) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, let pid = Int32(words[0]), let ticks = UInt64(words[1]),
                let process = LabProcess(pid: pid, name: String(words[2])),
                process.startTicks == ticks, process.isAlive
            else { return nil }
            return process
        }
    }

    /// Deletes the folder.
    func remove() throws {
        do { try FileManager.default.removeItem(atPath: path) } catch {
            throw LabFailure("cannot remove \(path): \(error.localizedDescription)")
        }
    }
}
