import Foundation

/// Starts a lab's routing: the processes of all switches, each in its namespace.
struct LabDaemons: Sendable {
    /// Names and addresses.
    var layout: LabLayout
    /// Where configurations, logs and sockets lie, and where processes are recorded.
    var folder: LabFolder

    /// Where FRR keeps its sockets; a namespace has a folder of its own there (`-N`).
    static let frrState = "/var/run/frr"

    /// Starts all processes of BIRD.
    func startBird() throws {
        let bird = try LabProgram.path(of: "bird", package: "bird2")
        let configuration = LabPeerConfiguration(layout: layout)
        for id in layout.switches {
            let name = layout.namespace(of: id)
            let file = folder.file("\(name).bird.conf")
            try LabFiles.write(configuration.bird(of: id), to: file)
            try start(
                [bird, "-f", "-c", file, "-s", folder.file("\(name).bird.ctl")], in: name,
                as: "bird")
        }
    }

    /// Starts all processes of FRR: zebra, then bfdd, then bgpd, each once the one before is ready.
    func startFRR() throws {
        let library = ["/usr/lib/frr", "/usr/libexec/frr"].first {
            access("\($0)/zebra", X_OK) == 0
        }
        guard let library else { throw LabFailure("FRR is not installed: apt-get install frr") }
        guard let owner = getpwnam("frr")?.pointee else {
            throw LabFailure("FRR's user \"frr\" is missing: apt-get install frr")
        }
        let configuration = LabPeerConfiguration(layout: layout)
        for id in layout.switches {
            let name = layout.namespace(of: id)
            try LabFiles.write(configuration.zebra(), to: folder.file("\(name).zebra.conf"))
            try LabFiles.write(configuration.bfdd(), to: folder.file("\(name).bfdd.conf"))
            try LabFiles.write(configuration.bgpd(of: id), to: folder.file("\(name).bgpd.conf"))
            try makeOwned("\(Self.frrState)/\(name)", by: owner)
        }
        for (daemon, socket) in [("zebra", "zserv.api"), ("bfdd", "bfdd.sock"), ("bgpd", nil)] {
            for id in layout.switches {
                let name = layout.namespace(of: id)
                let pidFile = "\(Self.frrState)/\(name)/\(daemon).pid"
                let words = [
                    "\(library)/\(daemon)", "-F", "datacenter", "-N", name, "-A", "127.0.0.1",
                    "-f", folder.file("\(name).\(daemon).conf"), "-i", pidFile,
                ]
                try start(words, in: name, as: daemon)
            }
            guard let socket else { continue }
            for id in layout.switches {
                let name = layout.namespace(of: id)
                try waitFor("\(Self.frrState)/\(name)/\(socket)", of: "\(daemon) of \(name)")
            }
        }
    }

    /// Removes what FRR leaves behind.
    func removeFRR() {
        for id in layout.switches {
            let path = "\(Self.frrState)/\(layout.namespace(of: id))"
            if access(path, F_OK) == 0 { try? FileManager.default.removeItem(atPath: path) }
        }
    }

    private func makeOwned(_ path: String, by owner: passwd) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        } catch { throw LabFailure("cannot make \(path): \(error.localizedDescription)") }
        guard chown(path, owner.pw_uid, owner.pw_gid) == 0 else {
            throw LabFailure("cannot give \(path) to frr: \(String(cString: strerror(errno)))")
        }
    }

    private func waitFor(_ path: String, of whom: String) throws {
        let end = Date(timeIntervalSinceNow: 30)
        while access(path, F_OK) != 0 {
            guard Date() < end else {
                throw LabFailure("\(whom) did not start within 30 s; see \(folder.path)")
            }
            usleep(5_000)
        }
    }

    /// Starts one process in a namespace and records it. Its words go to a log in the folder.
    @discardableResult
    func start(_ words: [String], in namespace: String, as kind: String) throws -> LabProcess {
        let log = folder.file("\(namespace).\(kind).log")
        let pid = try LabNamespace(name: namespace).inside {
            try LabProgram.start(words, LabProgram.Streams(log: log))
        }
        guard let process = LabProcess(pid: pid, name: "\(kind) \(namespace)") else {
            throw LabFailure("\(words[0]) ended at once; see \(log)")
        }
        try folder.record(process)
        return process
    }
}
