import Foundation

/// A lab that stands: namespaces, links, daemons.
public struct Lab: Sendable {
    /// Names and addresses.
    public let layout: LabLayout
    /// What finds its ways.
    public let routing: LabProtocol

    let folder: LabFolder
    let daemons: LabDaemons

    /// What a lab is built from.
    public struct Options: Sendable {
        /// Its name.
        public var id = "lab"
        /// What finds its ways.
        public var routing = LabProtocol.sidr
        /// The topology's name; empty for a wiring.
        public var topology: String
        /// The network.
        public var fabric: Fabric
        /// The wiring's file, where it is one.
        public var wiring: [UInt8] = []
        /// Where labs write their state.
        public var root = LabState.defaultFolder
        /// How long the network may take until it has converged, in seconds.
        public var patience = 60.0
        /// How fast kapok's agents look, tell and trust.
        public var timers = Lab.timers

        public init(topology: String, fabric: Fabric) {
            self.topology = topology
            self.fabric = fabric
        }
    }

    /// How far building is, in words.
    public typealias Progress = @Sendable (String) -> Void

    init(_ layout: LabLayout, _ routing: LabProtocol, root: String) {
        self.layout = layout
        self.routing = routing
        folder = LabFolder(root: root, id: layout.id)
        daemons = LabDaemons(layout: layout, folder: folder)
    }

    /// Refuses to go on without the rights that namespaces need.
    public static func requireRoot() throws(LabFailure) {
        guard geteuid() == 0 else {
            throw LabFailure("the lab makes network namespaces: run it as root")
        }
        // A program that ends while it is told something must not end us too.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Builds a lab and waits until its network has converged. What was built is taken away again
    /// when that fails.
    public static func up(_ options: Options, _ progress: Progress = { _ in }) throws -> Lab {
        try requireRoot()
        let layout = try LabLayout(id: options.id, fabric: options.fabric)
        let lab = Lab(layout, options.routing, root: options.root)
        try lab.folder.create()
        var state = LabState(
            id: options.id, routing: options.routing, topology: options.topology, isUp: false)
        do {
            if options.topology.isEmpty {
                try LabFiles.write(
                    String(decoding: options.wiring, as: UTF8.self),
                    to: lab.folder.file("wiring.dot"))
            }
            try lab.folder.save(state)
            progress("namespaces and links")
            try LabNetwork(layout: layout).build()
            progress("starting \(options.routing.rawValue)")
            switch options.routing {
            case .bird: try lab.daemons.startBird()
            case .frr: try lab.daemons.startFRR()
            case .sidr:
                try lab.daemons.startAgents(options.timers, topology: options.topology)
            }
            progress("waiting for \(options.routing.rawValue)")
            try lab.waitUntilConverged(seconds: options.patience)
            state.isUp = true
            try lab.folder.save(state)
            return lab
        } catch {
            // What went wrong first is what counts; the logs stay for whoever looks.
            try? lab.takeDown(keepingLogs: true)
            throw error
        }
    }

    /// A lab that another command has built.
    public static func open(
        id: String, root: String = LabState.defaultFolder
    ) throws -> Lab {
        try requireRoot()
        try LabLayout.check(id: id)
        let folder = LabFolder(root: root, id: id)
        let state = try folder.load()
        return Lab(
            try LabLayout(id: id, fabric: try fabric(of: state, in: folder)), state.routing,
            root: root)
    }

    private static func fabric(of state: LabState, in folder: LabFolder) throws -> Fabric {
        guard state.topology.isEmpty else { return try TopologyName(state.topology).fabric }
        let text = LabFiles.text(of: folder.file("wiring.dot")) ?? ""
        return .graph(try WiringDocument.graph(fromDOT: Array(text.utf8)))
    }

    /// Takes a lab away, whole or what a crash has left of it: processes, namespaces, files. Says
    /// how many of each there were.
    @discardableResult
    public static func down(
        id: String, root: String = LabState.defaultFolder
    ) throws -> (processes: Int, namespaces: Int) {
        try requireRoot()
        try LabLayout.check(id: id)
        let folder = LabFolder(root: root, id: id)
        let names =
            (try? FileManager.default.contentsOfDirectory(atPath: LabNamespace.folder)) ?? []
        // By the names, not by the state: that may be damaged. An id may begin as another does.
        let others = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .filter { $0 != id && $0.hasPrefix("\(id)-") }
        let namespaces = names.filter { name in
            name.hasPrefix("kl-\(id)-") && !others.contains { name.hasPrefix("kl-\($0)-") }
        }
        guard folder.exists || !namespaces.isEmpty else {
            throw LabFailure("there is no lab named \(id)")
        }
        let recorded = folder.livingProcesses()
        let present = LabNetwork.processes(in: namespaces)
        let processes = Set(recorded.map(\.pid)).union(present.map(\.pid)).count
        LabProcess.stop(recorded)
        try LabNetwork.remove(namespaces: namespaces)
        for namespace in namespaces {
            let path = "\(LabDaemons.frrState)/\(namespace)"
            if access(path, F_OK) == 0 { try? FileManager.default.removeItem(atPath: path) }
        }
        if folder.exists { try folder.remove() }
        return (processes, namespaces.count)
    }

    /// The names of labs that have left state.
    public static func all(root: String = LabState.defaultFolder) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        // What a failed start has left for reading (`ID.failed`) is no lab.
        return names.filter { (try? LabLayout.check(id: $0)) != nil }.sorted()
    }

    private func takeDown(keepingLogs: Bool) throws {
        LabProcess.stop(folder.livingProcesses())
        try LabNetwork(layout: layout).remove()
        daemons.removeFRR()
        if !keepingLogs { return try folder.remove() }
        let kept = folder.path + ".failed"
        try? FileManager.default.removeItem(atPath: kept)
        guard rename(folder.path, kept) == 0 else { return try folder.remove() }
    }

    /// Takes this lab away.
    public func down() throws { try takeDown(keepingLogs: false) }

    // MARK: State of the network

    /// What is not yet as it should be, one line each; none when all links and routes are in use.
    public func gaps() throws -> [String] {
        let dead = folder.livingProcesses().count
        let expected = layout.switches.count * (routing == .frr ? 3 : 1)
        if dead < expected { return ["\(dead) of \(expected) processes run"] }
        let gaps =
            switch routing {
            case .bird, .frr: try LabConvergence(layout: layout).missingRoutes()
            case .sidr: agentGaps()
            }
        if !gaps.isEmpty { return gaps }
        return try silentPairs()
    }

    /// Pairs of hosts that do not answer each other, one line each.
    public func silentPairs() throws -> [String] {
        try LabReachability.silentPairs(of: layout).map { from, to in
            "\(layout.namespace(ofHost: from)) gets no answer from \(layout.namespace(ofHost: to))"
        }
    }

    /// Waits until all links and routes are in use and all hosts answer each other.
    public func waitUntilConverged(seconds: Double) throws {
        let end = Date(timeIntervalSinceNow: seconds)
        while true {
            let gaps = try gaps()
            if gaps.isEmpty { return }
            guard Date() < end else {
                throw LabFailure(
                    "\(routing.rawValue) has not converged within \(Int(seconds)) s: "
                        + gaps.prefix(4).joined(separator: "; ")
                        + (gaps.count > 4 ? "; and \(gaps.count - 4) more" : "")
                        + " (logs in \(folder.path), or \(folder.path).failed)")
            }
            usleep(100_000)
        }
    }

    // MARK: Cuts

    /// Cuts a link at `end` (the end that is set down, or that hears nothing any more).
    public func fail(_ kind: LabCutKind, at end: PortID) throws {
        try LabCutter(kind, at: end, of: layout).cut()
    }

    /// Makes a link whole again; all links without one.
    public func heal(_ link: LinkID? = nil) throws {
        let links = link.map { [$0] } ?? (0..<layout.fabric.linkCount).map { LinkID($0) }
        try LabCutter.heal(links, of: layout)
    }
}
