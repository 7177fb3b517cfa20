// What the drives cost on threads and on io_uring, on the file system of a directory.
// Usage: DriveBenchmark DIRECTORY [--json] [--quick]
// The directory must exist and have room for 3.1 GiB; what is made in it is deleted.

import Glibc
import KapokDrive
import KapokLinux

/// Runs all workloads on all contenders, interleaved, and prints the medians.
struct DriveBenchmark {
    var directory: String
    var isQuick: Bool

    struct Row {
        var name: String
        var unit: String
        /// In the order of the contenders.
        var values: [Double]
    }

    func makeContenders() throws -> [Contender] {
        var contenders = [
            try Contender(
                name: "threads", way: .drives(engine: try IOEngine.threadPool()),
                directory: directory)
        ]
        if try FileSystem(path: directory).isMemory {
            contenders.append(
                try Contender(
                    name: "handed-over", way: .handedOver(engine: try IOEngine.threadPool()),
                    directory: directory))
        } else if let ring = try? IOEngine.ring() {
            contenders.append(
                try Contender(
                    name: "io_uring", way: .drives(engine: ring), directory: directory))
        }
        return contenders
    }

    func run() throws -> (contenders: [String], rows: [Row]) {
        let contenders = try makeContenders()
        let workloads = Workloads(isQuick: isQuick)
        for contender in contenders { workloads.prepare(contender) }
        var names: [(name: String, unit: String)] = []
        var values: [String: [[Double]]] = [:]
        for round in 0..<(isQuick ? 1 : 5) {
            for (index, contender) in contenders.enumerated() {
                let figures =
                    workloads.randomAccess(contender, round: round)
                    + workloads.sequential(contender)
                    + workloads.groupCommit(contender, round: round)
                for figure in figures {
                    if values[figure.name] == nil {
                        names.append((figure.name, figure.unit))
                        values[figure.name] = contenders.map { _ in [] }
                    }
                    values[figure.name]?[index].append(figure.value)
                }
            }
        }
        let rows = names.map { name, unit in
            Row(name: name, unit: unit, values: (values[name] ?? []).map { median($0) })
        }
        return (contenders.map(\.name), rows)
    }
}

/// `value` with one digit after the point.
func oneDigit(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

func column(_ text: String, _ width: Int) -> String {
    let gap = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? text + gap : gap + text
}

func printTable(_ contenders: [String], _ rows: [DriveBenchmark.Row]) {
    print(column("", -48) + contenders.map { column($0, 12) }.joined() + "  unit")
    for row in rows {
        print(
            column(row.name, -48) + row.values.map { column(oneDigit($0), 12) }.joined()
                + "  \(row.unit)")
    }
}

func printJSON(_ contenders: [String], _ rows: [DriveBenchmark.Row]) {
    let lines = rows.map { row in
        let values = zip(contenders, row.values).map { "\"\($0)\":\(oneDigit($1))" }
        return "{\"name\":\"\(row.name)\",\"unit\":\"\(row.unit)\","
            + values.joined(separator: ",") + "}"
    }
    print("{\"benchmark\":\"drive\",\"rows\":[\(lines.joined(separator: ","))]}")
}

let options = CommandLine.arguments.dropFirst().filter { $0.hasPrefix("--") }
let operands = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }
guard operands.count == 1, let parent = operands.first,
    options.allSatisfy({ ["--json", "--quick"].contains($0) })
else {
    print("usage: DriveBenchmark DIRECTORY [--json] [--quick]")
    exit(2)
}
let directory = "\(parent)/kapok-drive-benchmark-\(getpid())"
guard mkdir(directory, 0o700) == 0 else { fatalError("mkdir \(directory): errno \(errno)") }
let outcome = Result {
    try DriveBenchmark(directory: directory, isQuick: options.contains("--quick")).run()
}
for name in ["threads", "handed-over", "io_uring"] {
    for position in 0..<Contender.driveCount { unlink("\(directory)/\(name)-\(position)") }
}
rmdir(directory)
let (contenders, rows) = try outcome.get()
if options.contains("--json") {
    printJSON(contenders, rows)
} else {
    printTable(contenders, rows)
}
