import Foundation
import Testing

/// Other people's clients against `kapok up`, driven by the Python scripts in `Clients`.
///
/// Each script starts regions of its own on free loopback ports with state in a temporary folder,
/// stops them by their process id, and ends with how many checks it made. The short version runs by
/// default; `KAPOK_INTEROP=full` (`make interop`) runs the long one.
@Suite("Interop", .serialized)
struct InteropTests {
    @Test(
        "aws s3 sync moves a directory up and down unchanged",
        .enabled(if: Client.boto3.isThere, Client.boto3.reason))
    func awsSync() throws { try Script("aws_sync.py", minutes: 3, fullMinutes: 30).run() }

    @Test("boto3", .enabled(if: Client.boto3.isThere, Client.boto3.reason))
    func boto3() throws { try Script("boto3_client.py", minutes: 3, fullMinutes: 5).run() }

    @Test("s3cmd", .enabled(if: Client.s3cmd.isThere, Client.s3cmd.reason))
    func s3cmd() throws { try Script("s3cmd_client.py", minutes: 2, fullMinutes: 5).run() }

    @Test("rclone", .enabled(if: Client.rclone.isThere, Client.rclone.reason))
    func rclone() throws { try Script("rclone_client.py", minutes: 2, fullMinutes: 5).run() }

    @Test(
        "whatever was acknowledged is there after kill -9",
        .enabled(if: Client.boto3.isThere, Client.boto3.reason))
    func crash() throws { try Script("crash.py", minutes: 3, fullMinutes: 40).run() }

    @Test(
        "M drives may be lost, cut or overwritten while the region runs",
        .enabled(if: Client.boto3.isThere, Client.boto3.reason))
    func drives() throws { try Script("drives.py", minutes: 3, fullMinutes: 5).run() }

    @Test(
        "starting, stopping, a second start, a full disk",
        .enabled(if: Client.boto3.isThere, Client.boto3.reason))
    func lifecycle() throws { try Script("lifecycle.py", minutes: 3, fullMinutes: 5).run() }
}

/// Where things are.
enum Place {
    /// The checkout that holds this file.
    static let root = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let clients = root.appending(path: "Tests/InteropTests/Clients")

    /// `KAPOK_BINARY`, else the one that was built with this test.
    static let kapok: URL = {
        if let path = ProcessInfo.processInfo.environment["KAPOK_BINARY"] {
            return URL(filePath: path)
        }
        // The test bundle or its runner lies in the folder of the products, on some tool chains
        // some levels below.
        var folder = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
            folder = URL(filePath: argument).resolvingSymlinksInPath()
        }
        for _ in 0..<5 {
            folder.deleteLastPathComponent()
            let candidate = folder.appending(path: "kapok")
            if isProgram(candidate) { return candidate }
        }
        return root.appending(path: ".build/debug/kapok")
    }()

    /// The Python of `.venv` when there is one (`make test` makes it), else the system's.
    static let python: String = {
        let own = root.appending(path: ".venv/bin/python")
        return isProgram(own) ? own.path : "python3"
    }()

    static func isProgram(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
            && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: url.path)
    }
}

/// A client that the tests need. One that is missing is named once, loudly.
enum Client: CaseIterable {
    case boto3, s3cmd, rclone

    private static let found: [Client: Bool] = {
        var found: [Client: Bool] = [:]
        for client in allCases {
            found[client] = (try? Command(client.probe, seconds: 60).run().status) == 0
            if found[client] == false { print("SKIPPED: \(client.reason)") }
        }
        return found
    }()

    private var probe: [String] {
        switch self {
        case .boto3: [Place.python, "-c", "import awscli, awscrt, boto3"]
        case .s3cmd: ["s3cmd", "--version"]
        case .rclone: ["rclone", "version"]
        }
    }

    var isThere: Bool { Self.found[self] ?? false }

    var reason: Comment {
        switch self {
        case .boto3: "boto3, awscrt and awscli are not installed for \(Place.python)"
        case .s3cmd: "s3cmd is not installed"
        case .rclone: "rclone is not installed"
        }
    }
}

/// One of the scripts in `Clients`.
struct Script {
    private let name: String
    private let minutes: Int

    init(_ name: String, minutes: Int, fullMinutes: Int) {
        let isFull = ProcessInfo.processInfo.environment["KAPOK_INTEROP"] == "full"
        self.name = name
        self.minutes = isFull ? fullMinutes : minutes
    }

    /// Runs it to its end. It passes when it exits with 0 and says that it checked something.
    func run() throws {
        try #require(Place.isProgram(Place.kapok), "\(Place.kapok.path) is not built")
        let script = Place.clients.appending(path: name).path
        let result = try Command([Place.python, "-B", "-u", script], seconds: minutes * 60).run()
        let count = result.output.split(separator: "\n").last.flatMap { line in
            line.wholeMatch(of: /(\d+) passed, 0 failed/).flatMap { Int($0.output.1) }
        }
        let isRight = result.status == 0 && (count ?? 0) > 0
        #expect(isRight, "\(name) ended with \(result.status):\n\(result.output.suffix(8000))")
        if let count { print("\(name): \(count) checks") }
    }
}

/// A program with a limit to its time: it and its children are ended when it is over.
struct Command {
    private let words: [String]
    private let seconds: Int

    init(_ words: [String], seconds: Int) {
        self.words = words
        self.seconds = seconds
    }

    func run() throws -> (status: Int32, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["timeout", "--kill-after=10", "\(seconds)"] + words
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["KAPOK_BINARY": Place.kapok.path]
        ) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
