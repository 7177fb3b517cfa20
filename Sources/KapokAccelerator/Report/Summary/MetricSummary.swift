/// One figure of a run, with what it means.
struct MetricSummary: Hashable, Sendable {
    /// How a value is to be read.
    enum Quantity: String, Sendable {
        /// A fraction of 1.
        case fraction
        /// Floating-point operations.
        case operations
        /// Floating-point operations a second.
        case operationsPerSecond
        case bytes
        /// DMA packets.
        case count
        case milliseconds
    }

    /// The name in exports.
    var name: String
    /// The short name in reports.
    var title: String
    var value: Double
    var quantity: Quantity
    /// One sentence.
    var definition: String

    /// The figures of a profile in the order of reports.
    static func all(of profile: Profile) -> [MetricSummary] {
        utilisations(profile) + work(profile) + memory(profile)
    }

    private static func utilisations(_ profile: Profile) -> [MetricSummary] {
        let metrics = profile.metrics
        func fraction(
            _ name: String, _ title: String, _ value: Double, _ definition: String
        ) -> MetricSummary {
            MetricSummary(
                name: name, title: title, value: value, quantity: .fraction, definition: definition)
        }
        return [
            fraction(
                "mfu", "MFU", metrics.mfu,
                "model FLOPs by time, of the BF16 peak whatever the type"),
            fraction(
                "hfu", "HFU", metrics.hfu,
                "all FLOPs of the tensor engine by time, of the BF16 peak"),
            fraction(
                "mbu", "MBU", metrics.mbu,
                "HBM bytes moved by time, of one HBM stack's bandwidth"),
            fraction(
                "minimumMBU", "MBU, minimum", metrics.minimumMBU,
                "bytes of inputs and outputs by time, of one HBM stack"),
            fraction(
                "dmaActive", "DMA active", metrics.dmaActive,
                "share of the time in which any DMA engine moved data"),
            fraction(
                "dmaEngineUtilisation", "DMA engines", metrics.dmaEngineUtilisation,
                "mean share of the time in which one DMA engine moved data"),
        ]
    }

    private static func work(_ profile: Profile) -> [MetricSummary] {
        let metrics = profile.metrics
        let seconds = profile.machine.nanoseconds(ticks: profile.timeline.makespan) / 1e9
        return [
            MetricSummary(
                name: "modelFLOPs", title: "model FLOPs", value: metrics.modelFLOPs,
                quantity: .operations,
                definition: "2 x M x K x N of each multiplication that is not a transpose"),
            MetricSummary(
                name: "hardwareFLOPs", title: "hardware FLOPs", value: metrics.hardwareFLOPs,
                quantity: .operations, definition: "the same with transposes and broadcasts"),
            MetricSummary(
                name: "modelFLOPsPerSecond", title: "model rate",
                value: seconds > 0 ? metrics.modelFLOPs / seconds : 0,
                quantity: .operationsPerSecond, definition: "model FLOPs by time"),
        ]
    }

    private static func memory(_ profile: Profile) -> [MetricSummary] {
        let metrics = profile.metrics
        func bytes(
            _ name: String, _ title: String, _ value: Int64, _ definition: String
        ) -> MetricSummary {
            MetricSummary(
                name: name, title: title, value: Double(value), quantity: .bytes,
                definition: definition)
        }
        let packetNanoseconds = profile.machine.nanoseconds(ticks: metrics.packetTicks)
        return [
            bytes("hbmReadBytes", "HBM read", metrics.hbmReadBytes, "bytes read from HBM"),
            bytes(
                "hbmWrittenBytes", "HBM written", metrics.hbmWrittenBytes, "bytes written to HBM"),
            bytes(
                "minimumBytes", "HBM minimum", metrics.minimumBytes,
                "bytes of inputs and outputs: each once"),
            bytes(
                "spilledBytes", "spilled", metrics.spilledBytes,
                "bytes that the compiler moved out for want of SBUF"),
            bytes(
                "reloadedBytes", "reloaded", metrics.reloadedBytes,
                "bytes that it moved in again"),
            MetricSummary(
                name: "packets", title: "DMA packets", value: Double(metrics.packets),
                quantity: .count, definition: "runs of bytes, contiguous at both ends"),
            MetricSummary(
                name: "packetMilliseconds", title: "DMA packet time",
                value: packetNanoseconds / 1e6, quantity: .milliseconds,
                definition: "sum over all packets of their times, on whichever engine"),
            bytes(
                "peakSBUFBytesPerPartition", "SBUF peak", Int64(metrics.peakSBUFBytesPerPartition),
                "most bytes of a partition in use at once, of"
                    + " \(profile.machine.sbufBytesPerPartition)"),
            bytes(
                "peakPSUMBytesPerPartition", "PSUM peak", Int64(metrics.peakPSUMBytesPerPartition),
                "most bytes of a partition in use at once, of"
                    + " \(profile.machine.psumBytesPerPartition)"),
        ]
    }
}
