import Foundation
import KapokWorld

/// What a soak found.
public struct LabSoakResult: Sendable, Codable {
    /// How long it ran, in seconds.
    public var seconds: Double
    /// The load average (one minute) at each sample, about one a second: lowest of the second half,
    /// and highest.
    public var lowestLoad: Double
    /// See `lowestLoad`.
    public var highestLoad: Double
    /// Ends of links that an agent took out of service though nothing was cut.
    public var falseDetections: UInt64
    /// By how much each counter rose, over all agents.
    public var counters: [String: UInt64]
    /// Pairs of hosts that did not answer each other at the end.
    public var silentPairs: Int
    /// The probes that ran meanwhile, one packet of each flow every 10 ms: packets sent and lost.
    public var probesSent: Int
    /// See `probesSent`.
    public var probesLost: Int
}

/// Lets a lab of kapok's agents run on a busy machine and counts links that were declared dead
/// while all were whole.
public struct LabSoak: Sendable {
    private let lab: Lab
    private let seconds: Double
    private let load: Int

    /// Counters that rise when an agent takes a link out of service.
    static let detections = ["link_down"]

    /// A soak of `lab` with `load` processes that do nothing but compute, at ordinary priority.
    public init(_ lab: Lab, seconds: Double, load: Int) {
        self.lab = lab
        self.seconds = seconds
        self.load = load
    }

    /// Runs it.
    public func run(_ progress: Lab.Progress = { _ in }) throws -> LabSoakResult {
        let shell = try LabProgram.path(of: "sh", package: "dash")
        var burners: [LabProcess] = []
        defer { LabProcess.stop(burners) }
        for number in 0..<load {
            let pid = try LabProgram.start(
                [shell, "-c", "while :; do :; done"], LabProgram.Streams())
            guard let process = LabProcess(pid: pid, name: "load \(number)") else { continue }
            burners.append(process)
            try lab.folder.record(process)
        }
        var options = LabProbeOptions()
        options.interval = .milliseconds(10)
        options.duration = .milliseconds(UInt64(seconds * 1000))
        let probe = try LabProbe(between: lab.layout.probeEnds, of: lab.layout, options)
        let before = try lab.agentCounters()
        let start = Date()
        _ = probe.start()
        var loads: [Double] = []
        while Date().timeIntervalSince(start) < seconds {
            usleep(1_000_000)
            loads.append(Self.loadAverage())
            let left = max(0, seconds - Date().timeIntervalSince(start))
            progress(
                "load average \(loads.last ?? 0), \(Int(left)) s left, "
                    + "\(burners.count) processes compute")
        }
        let after = try lab.agentCounters()
        let elapsed = Date().timeIntervalSince(start)
        let result = try probe.finish()
        let flows = result.forth + result.back
        let rises = after.merging(before) { new, old in new - min(new, old) }
            .filter { $0.value > 0 }
        return LabSoakResult(
            seconds: elapsed, lowestLoad: loads.suffix(max(1, loads.count / 2)).min() ?? 0,
            highestLoad: loads.max() ?? 0,
            falseDetections: Self.detections.reduce(0) { $0 + (rises[$1] ?? 0) },
            counters: rises, silentPairs: try LabReachability.silentPairs(of: lab.layout).count,
            probesSent: flows.reduce(0) { $0 + $1.sent },
            probesLost: flows.reduce(0) { $0 + $1.lost })
    }

    private static func loadAverage() -> Double {
        let text = LabFiles.text(of: "/proc/loadavg") ?? ""
        return text.split(separator: " ").first.flatMap { Double($0) } ?? 0
    }
}
