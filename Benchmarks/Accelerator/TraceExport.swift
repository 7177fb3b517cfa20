import Glibc
import KapokAccelerator

/// How fast a trace of ten million slices is exported to a file, and how large it is.
struct TraceExport {
    struct Row {
        var threads: Int
        var slices: Int
        var seconds: Double
        /// What all threads together used of processors: on a busy machine it says more than time.
        var processorSeconds: Double
        var bytesPerSlice: Double
    }

    /// The bars for ten million slices: seconds on two idle cores, and bytes of a slice on disk.
    static let secondsBar = 5.0
    static let bytesBar = 16.0

    var isQuick: Bool

    /// One row for each number of threads: the fastest of some rounds.
    func measure() throws -> [Row] {
        let profile = try TraceWorkload.profile(slices: isQuick ? 1_000_000 : 10_000_000)
        return try [1, 2].map { threads in
            let rounds = try (0..<(isQuick ? 1 : 3)).map { _ in
                try export(profile, threads: threads)
            }
            return rounds.min { $0.seconds < $1.seconds } ?? rounds[0]
        }
    }

    /// Exports once, into a file without a name.
    private func export(_ profile: Profile, threads: Int) throws -> Row {
        var options = PerfettoTrace.Options()
        options.threads = threads
        guard let file = tmpfile() else { throw TraceExportError.noFile }
        defer { fclose(file) }
        var bytes = 0
        let processor = clock()
        let time = try ContinuousClock().measure {
            try PerfettoTrace.write(profile, options: options) { block in
                guard fwrite(block, 1, block.count, file) == block.count else {
                    throw TraceExportError.noFile
                }
                bytes += block.count
            }
            guard fflush(file) == 0 else { throw TraceExportError.noFile }
        }
        let slices =
            profile.program.instructions.count + profile.stalls.count
            + profile.timeline.segments.count
        return Row(
            threads: threads, slices: slices, seconds: time / .seconds(1),
            processorSeconds: Double(clock() - processor) / Double(CLOCKS_PER_SEC),
            bytesPerSlice: Double(bytes) / Double(slices))
    }

    static func printTable(_ rows: [Row]) {
        print("Trace export (bars for ten million slices: \(secondsBar) s on two idle cores,")
        print("\(bytesBar) bytes a slice)")
        print("threads      slices         s  processor s  bytes a slice")
        for row in rows {
            print(
                column("\(row.threads)", 7) + column("\(row.slices)", 12)
                    + column(twoDigits(row.seconds), 10)
                    + column(twoDigits(row.processorSeconds), 13)
                    + column(twoDigits(row.bytesPerSlice), 15))
        }
    }

    static func json(_ rows: [Row]) -> String {
        let entries = rows.map { row in
            """
            {"threads":\(row.threads),"slices":\(row.slices),\
            "seconds":\(twoDigits(row.seconds)),\
            "processorSeconds":\(twoDigits(row.processorSeconds)),\
            "bytesPerSlice":\(twoDigits(row.bytesPerSlice))}
            """
        }
        return """
            {"secondsBar":\(secondsBar),"bytesBar":\(bytesBar),\
            "rows":[\(entries.joined(separator: ","))]}
            """
    }
}

/// Why the export could not be measured.
enum TraceExportError: Error {
    /// The temporary file could not be made or written.
    case noFile
}
