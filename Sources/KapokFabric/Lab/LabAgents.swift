import Foundation
import KapokWorld

extension LabDaemons {
    /// Plans, keys and the agents of all switches. The plan is made and signed here as a planner
    /// would; the key that signs is forgotten at once: the lab runs without a planner.
    func startAgents(_ timers: AgentTimers, topology: String) throws {
        let signer = PlannerSigner()
        let plan = FabricPlan(
            epoch: 1, fabric: layout.fabric, topologyName: topology,
            extraTrees: layout.fabric.extraTrees(), timers: timers)
        let compiled: CompiledPlan
        do { compiled = try Planner(signer: signer).compile(plan) } catch {
            throw LabFailure("no plan for this fabric: \(error)")
        }
        let key = folder.file("planner.pub")
        let secret = folder.file("secret")
        try write(signer.publicKey.bytes, to: key, mode: 0o644)
        try write(FabricKeys.newSecret(), to: secret, mode: 0o600)
        let program = try Self.ownProgram()
        for id in layout.switches {
            let name = layout.namespace(of: id)
            let file = folder.file("\(name).plan")
            try write(compiled.signedPlan(for: id).bytes, to: file, mode: 0o644)
            var words = [
                program, "fabric", "agent", "--plan", file, "--key", key, "--secret", secret,
                "--control", controlPath(of: id),
                // In real time twenty agents on a few processors would keep the kernel's own
                // threads waiting, which end the grace periods of a device that goes down.
                "--priority", "0",
            ]
            let pairs = (0..<layout.fabric.fabricPortCount(of: id)).map { port in
                "\(layout.fabric.portName(PortID(id, port)))=\(layout.interface(of: port))"
            }
            words += ["--interfaces", pairs.joined(separator: ",")]
            try start(words, in: name, as: "agent")
        }
    }

    /// Where the agent of a switch listens. Short: the path of a socket has at most 107 bytes.
    func controlPath(of id: SwitchID) -> String { folder.file("\(id.index).ctl") }

    /// The program that this code is part of.
    private static func ownProgram() throws -> String {
        do {
            return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        } catch { throw LabFailure("cannot find the kapok program: \(error.localizedDescription)") }
    }

    private func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw LabFailure("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else { throw LabFailure("cannot write \(path)") }
    }
}

extension Lab {
    /// The timers of a lab's agents: those of a plan, but links are used again soon after they have
    /// come back, so that a measurement does not wait.
    public static var timers: AgentTimers {
        var timers = AgentTimers()
        timers.holdDown = .milliseconds(300)
        timers.longestHoldDown = .milliseconds(600)
        return timers
    }

    /// What each agent says of itself; nil for one that does not answer.
    func agentStatuses() -> [(id: SwitchID, status: AgentStatus?)] {
        layout.switches.map { id in
            let path = daemons.controlPath(of: id)
            let response = try? AgentControl.ask(AgentControlRequest(.status), at: path, seconds: 2)
            return (id, response?.status)
        }
    }

    /// What agents have not yet in use or in the kernel, one line each.
    func agentGaps() -> [String] {
        agentStatuses().flatMap { id, status -> [String] in
            let name = layout.fabric.name(of: id)
            guard let status else { return ["the agent of \(name) does not answer"] }
            var gaps = status.ports.filter { !$0.isInUse || $0.isAvoided }.map { port in
                "\(name):\(port.name) is not in use (\(port.state)"
                    + (port.reason.isEmpty ? ")" : ": \(port.reason))")
            }
            gaps += status.dead.map { "\(name) takes \($0) for dead" }
            gaps += status.avoided.map { "\(name) avoids \($0)" }
            if !status.kernel.isSettled { gaps.append("\(name) has tables to write") }
            return gaps
        }
    }

    /// The counters of all agents, added up.
    func agentCounters() throws -> [String: UInt64] {
        var sums: [String: UInt64] = [:]
        for (id, status) in agentStatuses() {
            guard let status else {
                throw LabFailure("the agent of \(layout.fabric.name(of: id)) does not answer")
            }
            sums.merge(status.counters) { a, b in a &+ b }
        }
        return sums
    }
}
