import Glibc
import KapokAccelerator

/// How fast a trace of ten million slices is exported, and how large it is.
enum TraceExport {
    /// The bars: seconds for ten million slices on two cores, and bytes of a slice on disk.
    private static let maximumSeconds = 5.0
    private static let maximumBytesPerSlice = 16.0

    /// Measures the export into a file and prints a line of a table.
    ///
    /// - Parameter path: the file; it is overwritten.
    static func run(slices: Int = 10_000_000, path: String) throws {
        let profile = try TraceWorkload.profile(slices: slices)
        let count =
            profile.program.instructions.count + profile.stalls.count
            + profile.timeline.segments.count
        for threads in [1, 2] {
            var options = PerfettoTrace.Options()
            options.threads = threads
            guard let file = fopen(path, "wb") else { throw TraceExportError.cannotWrite(path) }
            var bytes = 0
            let clock = ContinuousClock()
            let processorTime = Self.processorSeconds()
            let time = try clock.measure {
                try PerfettoTrace.write(profile, options: options) { block in
                    guard fwrite(block, 1, block.count, file) == block.count else {
                        throw TraceExportError.cannotWrite(path)
                    }
                    bytes += block.count
                }
                guard fclose(file) == 0 else { throw TraceExportError.cannotWrite(path) }
            }
            let seconds = time / .seconds(1)
            let processor = Self.processorSeconds() - processorTime
            let perSlice = Double(bytes) / Double(count)
            let isMet = seconds < maximumSeconds && perSlice <= maximumBytesPerSlice
            print(
                "trace export: \(count) slices, \(threads) threads, \(rounded(seconds)) s"
                    + " (\(rounded(processor)) s of processor), \(rounded(perSlice)) bytes a slice;"
                    + " bars: \(maximumSeconds) s on an idle machine, \(maximumBytesPerSlice)"
                    + " bytes: \(isMet ? "met" : "MISSED")")
        }
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    /// What all threads of this process used of processors: on a busy machine it says more than
    /// time.
    private static func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }
}

/// Why the export could not be measured.
enum TraceExportError: Error {
    case cannotWrite(String)
}
