import ArgumentParser
import Foundation
import KapokFabric
import Logging

/// `kapok fabric agent`: the agent of a switch, and questions to a running one.
struct FabricAgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Run a switch's agent, or ask a running one.",
        discussion: """
            Without an action the agent runs: it takes its plan from --plan, watches the links of \
            its network namespace, and keeps the kernel's next-hop groups and routes. It needs \
            root. Ctrl-C or SIGTERM end it; the kernel goes on forwarding unless --clean is given.

            Actions ask the agent that listens at --control:

              kapok fabric agent --control SOCK status          links, plan, tables (--json: all)
              kapok fabric agent --control SOCK counters        all counters
              kapok fabric agent --control SOCK metrics         the same for Prometheus
              kapok fabric agent --control SOCK plan FILE       hand over a signed plan
              kapok fabric agent --control SOCK activate EPOCH  use the plan handed over
              kapok fabric agent --control SOCK drain PORT      move traffic off a port
              kapok fabric agent --control SOCK undrain PORT    use it again
              kapok fabric agent --control SOCK stop            end the agent
            """)

    /// What to do.
    enum Action: String, ExpressibleByArgument, CaseIterable {
        case run, status, counters, metrics, plan, activate, drain, undrain, stop
    }

    @Argument(help: "What to do: \(Action.allCases.map(\.rawValue).joined(separator: ", ")).")
    var action = Action.run
    @Argument(help: "What the action is about: a file, an epoch or a port.")
    var value: String?

    @Option(
        help: ArgumentHelp(
            "The signed plan; one that is activated later is kept there too.",
            valueName: "file"))
    var plan: String?
    @Option(
        help: ArgumentHelp(
            "The planner's public key: 32 bytes, or 64 hexadecimal digits.", valueName: "file"))
    var key: String?
    @Option(
        help: ArgumentHelp(
            "The fabric's secret: 32 bytes, or 64 hexadecimal digits.", valueName: "file"))
    var secret: String?
    @Option(
        name: .customLong("switch"),
        help: ArgumentHelp(
            "The switch's number, where there is no plan yet.", valueName: "number"))
    var switchNumber: Int?
    @Option(
        help: ArgumentHelp(
            "Interfaces that are not named like their ports, as in swp1=eth1,swp2=eth2.",
            valueName: "pairs"))
    var interfaces: String = ""
    @Option(help: ArgumentHelp("The control socket.", valueName: "path"))
    var control: String?
    @Option(help: "What is logged: debug, info, notice, warning or error.")
    var logLevel = "info"
    @Option(
        help:
            "Real-time priority of the agent's thread, 1 to 99; 0: as an ordinary one, least nice.")
    var priority = 50
    @Flag(help: "Take the tables out of the kernel at the end.")
    var clean = false
    @Flag(help: "Print JSON.")
    var json = false

    mutating func run() async throws {
        if action == .run { try await runAgent() } else { try ask() }
    }

    // MARK: Running

    private func runAgent() async throws {
        if let value {
            throw CommandFailure(description: "there is nothing to do with '\(value)'; see --help")
        }
        guard let plan, let key, let secret else {
            throw CommandFailure(
                description: "an agent needs --plan FILE, --key FILE and --secret FILE")
        }
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw CommandFailure(description: "'\(logLevel)' is no log level; see --help")
        }
        guard (0...99).contains(priority) else {
            throw CommandFailure(description: "a real-time priority is 0 to 99")
        }
        if let switchNumber, !(0..<1 << 32).contains(switchNumber) {
            throw CommandFailure(description: "\(switchNumber) is no number of a switch")
        }
        guard let planner = PlannerKey(try Self.bytes(key, "the planner's key")) else {
            throw CommandFailure(description: "\(key) holds no Ed25519 public key")
        }
        let options = AgentOptions(
            planPath: plan, planner: planner,
            secret: try Self.bytes(secret, "the fabric's secret"),
            switchID: switchNumber.map { SwitchID($0) }, interfaces: try pairs(),
            controlPath: control ?? "", cleansUp: clean, priority: priority)
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "kapok.fabric")
        logger.logLevel = level
        let agent: FabricAgent
        do { agent = try FabricAgent(options, logger: logger) } catch {
            throw CommandFailure(description: "\(error)")
        }
        let sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { agent.stop() }
            source.resume()
            return source
        }
        defer { for source in sources { source.cancel() } }
        // The cooperative threads must not block: the agent waits on one of its own.
        let failure = await withCheckedContinuation {
            (continuation: CheckedContinuation<DataPlaneFailure?, Never>) in
            Thread.detachNewThread {
                do {
                    try agent.run {
                        print("ready")
                        fflush(nil)
                    }
                    continuation.resume(returning: nil)
                } catch { continuation.resume(returning: error as? DataPlaneFailure) }
            }
        }
        if let failure { throw CommandFailure(description: "\(failure)") }
    }

    private func pairs() throws -> [String: String] {
        var pairs: [String: String] = [:]
        for pair in interfaces.split(separator: ",") {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, (1...15).contains(parts[1].utf8.count) else {
                throw CommandFailure(
                    description: "'\(pair)' is no pair of port and interface, as in swp1=eth1")
            }
            pairs[String(parts[0])] = String(parts[1])
        }
        return pairs
    }

    /// 32 bytes of a file: as they are, or as hexadecimal digits.
    private static func bytes(_ path: String, _ what: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(description: "cannot read \(what) from \(path)")
        }
        if data.count == 32 { return Array(data) }
        let text = String(decoding: data.prefix(256), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let digits = text.compactMap(\.hexDigitValue)
        guard text.count == 64, digits.count == 64 else {
            throw CommandFailure(
                description: "\(path) holds neither 32 bytes nor 64 hexadecimal digits, so it is "
                    + "not \(what)")
        }
        return (0..<32).map { UInt8(digits[$0 * 2] << 4 | digits[$0 * 2 + 1]) }
    }

    // MARK: Asking

    private func ask() throws {
        guard let control else {
            throw CommandFailure(description: "say which agent: --control SOCK")
        }
        let response: AgentControlResponse
        do { response = try AgentControl.ask(try request(), at: control) } catch let failure
            as DataPlaneFailure
        { throw CommandFailure(description: "\(failure)") }
        guard response.ok else {
            throw CommandFailure(description: response.error ?? "the agent refuses")
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            return print(String(decoding: try encoder.encode(response), as: UTF8.self))
        }
        if let text = response.text { return print(text, terminator: "") }
        if let status = response.status {
            return print(action == .counters ? Self.counters(status) : Self.text(status))
        }
        if let epoch = response.epoch, let state = response.state {
            print("plan \(epoch) is \(state)")
        }
    }

    private func request() throws -> AgentControlRequest {
        func needed(_ what: String) throws -> String {
            guard let value else {
                throw CommandFailure(description: "say which \(what): \(action.rawValue) \(what)")
            }
            return value
        }
        switch action {
        case .run, .status, .counters: return AgentControlRequest(.status)
        case .metrics: return AgentControlRequest(.metrics)
        case .stop: return AgentControlRequest(.stop)
        case .plan:
            let path = try needed("FILE")
            guard let data = FileManager.default.contents(atPath: path),
                data.count <= SignedPlan.maximumBytes
            else { throw CommandFailure(description: "cannot read a plan from \(path)") }
            return AgentControlRequest(.plan, plan: data)
        case .activate:
            let text = try needed("EPOCH")
            guard let epoch = UInt64(text) else {
                throw CommandFailure(description: "'\(text)' is no number of a plan")
            }
            return AgentControlRequest(.activate, epoch: epoch)
        case .drain: return AgentControlRequest(.drain, port: try needed("PORT"))
        case .undrain: return AgentControlRequest(.undrain, port: try needed("PORT"))
        }
    }

    private static func counters(_ status: AgentStatus) -> String {
        TextTable(
            rows: status.counters.sorted { $0.key < $1.key }.map { [$0.key, "\($0.value)"] }
        ).text
    }

    private static func text(_ status: AgentStatus) -> String {
        var rows = [["port", "interface", "neighbour", "state", "in use", "hellos", "lost"]]
        for port in status.ports {
            let state = port.reason.isEmpty ? port.state : "\(port.state): \(port.reason)"
            let use = port.isInUse ? (port.isAvoided ? "avoided" : "yes") : "no"
            rows.append([
                port.name, port.interface, port.neighbor, state, use, "\(port.received)",
                "\(port.lost)",
            ])
        }
        var lines = [status.summary, "", TextTable(rows: rows).text, ""]
        for link in status.dead { lines.append("dead     \(link)") }
        for link in status.avoided { lines.append("avoided  \(link)") }
        let kernel = status.kernel
        lines.append(
            "kernel   \(kernel.routes) routes, \(kernel.groups) groups, \(kernel.ways) next hops"
                + (kernel.isSettled ? "" : "; \(kernel.backlog) changes to write"))
        if kernel.updates > 0 {
            lines.append(
                "updates  \(kernel.updates), "
                    + String(format: "%.0f us of CPU each", kernel.meanUpdateMicroseconds))
        }
        if kernel.refusals > 0 {
            lines.append("refused  \(kernel.refusals); the last: \(kernel.lastRefusal)")
        }
        return lines.joined(separator: "\n")
    }
}
