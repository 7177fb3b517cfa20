import Foundation
import Testing

/// `kapok fabric lab`, as a stranger would use it: real namespaces, real agents, real packets.
///
/// What is held against bounds here is that packets get through, not how fast: machines that run
/// tests are busy. `kapok fabric lab run` measures.
@Suite("The fabric's lab", .serialized)
struct FabricLabTests {
    @Test(
        "k = 4 with agents repairs silent and carrier cuts, and uses the links again",
        .enabled(if: LabProgram.isPossible, LabProgram.reason), .timeLimit(.minutes(2)))
    func repairs() throws {
        let lab = LabProgram("repair")
        defer { lab.clear() }
        let run = try lab.json(
            RunReport.self, "run", "--protocols", "sidr", "--repeats", "1", "--cells",
            "silent/agg-edge,down/agg-edge", "--duration", "2.5", "--json", "--hello",
            LabProgram.hello)
        #expect(run.failures.isEmpty, "\(run.failures)")
        #expect(run.rows.count == 4)
        let used = run.rows.filter { !$0.isDiscarded }
        #expect(!used.isEmpty, "no row counts: the links that were cut carried nothing")
        for row in used {
            // A flow that was lost for good would have lost a second.
            #expect(!row.isUnrepaired && row.lostMillisecondsMax < 500, "\(row)")
            #expect(row.duplicated == 0)
        }
    }

    @Test(
        "hosts keep answering each other when every agent has been killed, and a link is then cut",
        .enabled(if: LabProgram.isPossible, LabProgram.reason), .timeLimit(.minutes(2)))
    func failsStatic() throws {
        let lab = LabProgram("static")
        defer { lab.clear() }
        #expect(try lab.run("up", "--topology", "k4", "--hello", LabProgram.hello).status == 0)
        #expect(try lab.run("status").status == 0)
        let pids = try lab.processes()
        #expect(pids.count == 20)
        for pid in pids { kill(pid, SIGKILL) }
        #expect(try lab.run("ping").status == 0, "the kernels go on without their agents")
        #expect(try lab.run("status").status == 1, "and the lab says that agents are missing")
        // The kernel takes a next hop whose carrier is gone out of its groups by itself.
        #expect(try lab.run("fail", "--link", "edge-0-0:swp1", "--kind", "down").status == 0)
        // It does so a little after the command that took the link down has returned.
        var ping = try lab.run("ping")
        for _ in 0..<4 where ping.status != 0 { ping = try lab.run("ping") }
        #expect(ping.status == 0, "\(ping.output)")
        #expect(try lab.run("down").status == 0)
        try lab.expectNothingLeft()
    }

    @Test(
        "no link is declared dead on a busy machine while all are whole",
        .enabled(if: LabProgram.isPossible, LabProgram.reason), .timeLimit(.minutes(2)))
    func soaks() throws {
        let lab = LabProgram("soak")
        defer { lab.clear() }
        let isFull = ProcessInfo.processInfo.environment["KAPOK_INTEROP"] == "full"
        let soak = try lab.json(
            SoakReport.self, "soak", "--minutes", isFull ? "1" : "0.25", "--load", "20", "--json",
            "--hello", LabProgram.hello)
        #expect(soak.falseDetections == 0, "\(soak)")
        #expect(soak.silentPairs == 0)
        #expect(soak.probesSent > 1000)
        #expect((soak.counters["hellos_received"] ?? 0) > 10_000, "agents hear each other")
    }

    @Test(
        "BIRD runs in the same lab",
        .enabled(
            if: LabProgram.isPossible && LabProgram.isThere("bird"),
            "needs root, network namespaces and bird2"), .timeLimit(.minutes(2)))
    func bird() throws {
        let lab = LabProgram("bird")
        defer { lab.clear() }
        let run = try lab.json(
            RunReport.self, "run", "--protocols", "bird", "--repeats", "1", "--cells",
            "down/core-agg", "--duration", "2.5", "--json")
        #expect(run.failures.isEmpty, "\(run.failures)")
        #expect(run.rows.count == 2)
        for row in run.rows where !row.isDiscarded {
            #expect(!row.isUnrepaired, "\(row)")
            #expect(row.lostMilliseconds.count == 12)
        }
        try lab.expectNothingLeft()
    }

    @Test(
        "a lab is built once, and one that a crash has left is taken away whole",
        .enabled(
            if: LabProgram.isPossible && LabProgram.isThere("bird"),
            "needs root, network namespaces and bird2"), .timeLimit(.minutes(1)))
    func leavesNothing() throws {
        let lab = LabProgram("crash")
        defer { lab.clear() }
        #expect(
            try lab.run("up", "--topology", "leafspine:2,2,1", "--protocol", "bird").status == 0)
        let second = try lab.run("up", "--topology", "leafspine:2,2,1", "--protocol", "bird")
        #expect(second.status == 1)
        #expect(second.output.contains("lab down"), "it says what to do: \(second.output)")
        let wrong = try lab.run("fail", "--link", "leaf-7:swp1")
        #expect(wrong.status == 1)
        #expect(wrong.output.contains("no switch \"leaf-7\""), "\(wrong.output)")
        // The state's file is all that a crash could damage.
        try Data("{".utf8).write(to: URL(filePath: "\(lab.folder)/state.json"))
        #expect(try lab.run("status").status == 1)
        #expect(try lab.run("down").status == 0)
        try lab.expectNothingLeft()
        #expect(try lab.run("down").status == 1, "there is nothing to take away")
    }

    @Test(
        "what is no lab is refused in words",
        arguments: [
            (["up", "--topology", "k64"], "at most 64 switches"),
            (["up", "--topology", "moebius:3"], "unknown topology"),
            (["run", "--cells", "loud"], "unknown cell"),
            (["run", "--protocols", "rip"], "unknown protocol"),
            (["run", "--repeats", "0"], "at least 1"),
            (["heal"], "there is no lab"),
        ])
    func refuses(words: [String], reason: String) throws {
        guard geteuid() == 0 else { return print("SKIPPED: \(LabProgram.reason)") }
        let lab = LabProgram("refused")
        let result = try lab.run(words[0], words.dropFirst())
        #expect(result.status != 0)
        #expect(result.output.contains(reason), "\(words): \(result.output)")
        try lab.expectNothingLeft()
    }
}

/// What `kapok fabric lab run --json` prints, as far as the tests look.
private struct RunReport: Decodable {
    struct Row: Decodable {
        var routing: String
        var kind: String
        var link: String
        var direction: String
        var lostMilliseconds: [Double]
        var lostMillisecondsMax: Double
        var duplicated: Int
        var isUnrepaired: Bool
        var isDiscarded: Bool
    }
    struct Failure: Decodable { var failure: String }
    var rows: [Row]
    var failures: [Failure]
}

/// What `kapok fabric lab soak --json` prints.
private struct SoakReport: Decodable {
    var falseDetections: UInt64
    var silentPairs: Int
    var probesSent: Int
    var highestLoad: Double
    var counters: [String: UInt64]
}

/// Calls `kapok fabric lab` for one lab, whose state lies in a folder of its own.
private struct LabProgram {
    /// A name that nobody else's lab has.
    let id: String
    private let root: String

    init(_ purpose: String) {
        id = "t\(getpid())-\(purpose)"
        root = FileManager.default.temporaryDirectory.appending(path: "kapok-lab-\(id)").path
    }

    /// Microseconds between two hellos. Tests run programs that were built without optimisation,
    /// and twenty of those that say hello every millisecond are more than two processors can bear.
    static let hello =
        ProcessInfo.processInfo.environment["KAPOK_INTEROP"] == "full" ? "1000" : "20000"

    /// Where the lab's state lies.
    var folder: String { "\(root)/\(id)" }

    static let reason: Comment = "needs root, network namespaces, iproute2 and nftables"

    /// Whether namespaces can be made here; says so once, loudly, when not.
    static let isPossible: Bool = {
        let probe = "kl-probe-\(getpid())"
        let isGood =
            geteuid() == 0 && isThere("nft")
            && (try? Command(["ip", "netns", "add", probe], seconds: 10).run().status) == 0
        if isGood { _ = try? Command(["ip", "netns", "del", probe], seconds: 10).run() }
        if !isGood { print("SKIPPED: the fabric's lab \(reason)") }
        return isGood
    }()

    static func isThere(_ program: String) -> Bool {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }

    func run(_ name: String, _ words: String...) throws -> (status: Int32, output: String) {
        try run(name, words[...])
    }

    func run(_ name: String, _ words: ArraySlice<String>) throws -> (status: Int32, output: String)
    {
        try #require(Place.isProgram(Place.kapok), "\(Place.kapok.path) is not built")
        let command = [Place.kapok.path, "fabric", "lab", name, "--id", id, "--state", root]
        return try Command(command + words, seconds: 110).run()
    }

    /// Runs a command that prints one JSON object as its last line.
    func json<Report: Decodable>(
        _ type: Report.Type, _ name: String, _ words: String...
    ) throws -> Report {
        let result = try run(name, words[...])
        let line = result.output.split(separator: "\n").last { $0.hasPrefix("{") }
        let text = try #require(line, "\(name) ended with \(result.status): \(result.output)")
        return try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    /// The numbers of the lab's processes.
    func processes() throws -> [Int32] {
        let text = try String(contentsOfFile: "\(folder)/processes", encoding: .utf8)
        return text.split(separator: "\n").compactMap { line in
            line.split(separator: " ").first.flatMap { Int32($0) }
        }
    }

    /// Holds the machine against what a lab may leave: nothing.
    func expectNothingLeft() throws {
        let namespaces =
            try FileManager.default.fileExists(atPath: "/run/netns")
            ? FileManager.default.contentsOfDirectory(atPath: "/run/netns") : []
        #expect(!namespaces.contains { $0.hasPrefix("kl-\(id)-") })
        #expect(!FileManager.default.fileExists(atPath: folder))
    }

    /// Takes away what a failed test has left.
    func clear() {
        _ = try? run("down")
        try? FileManager.default.removeItem(atPath: root)
    }
}
