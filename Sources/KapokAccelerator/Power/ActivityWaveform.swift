/// The current of a run, in windows of equal length, as if nothing held the tensor engine back:
/// what it draws while it is throttled follows from its share of the time.
public struct ActivityWaveform: Sendable {
    /// Ticks of a window.
    public let windowTicks: Int64
    /// Mean amperes in each window of everything but the tensor engine.
    public let otherAmperes: [Double]
    /// Mean amperes in each window of the tensor engine at full speed.
    public let tensorAmperes: [Double]
    /// For each window, whether the tensor engine loaded or multiplied in it.
    let tensorWorks: [Bool]
    /// Everything that draws current, by its start.
    let activities: [Activity]

    /// Windows.
    public var count: Int { otherAmperes.count }

    /// What is drawn in a window in which the tensor engine may work a share of the time.
    func amperes(_ window: Int, share: Double) -> Double {
        otherAmperes[window] + tensorAmperes[window] * share
    }

    /// Something busy.
    struct Activity: Hashable, Sendable {
        var start: Int64
        var end: Int64
        var instruction: UInt32
        var unit: Unit
    }

    /// Windows at most: some seconds of computing.
    public static let largestCount = 8_000_000

    /// - Throws: ``PowerError/tooLong(windows:limit:)``.
    public init(
        _ timeline: Timeline, of program: Program, power: EnginePower, windowTicks: Int64
    ) throws(PowerError) {
        let count = timeline.makespan / windowTicks + 1
        guard count <= Self.largestCount else {
            throw .tooLong(windows: Int(count), limit: Self.largestCount)
        }
        self.windowTicks = windowTicks
        activities = Self.activities(timeline, program)
        var other = [Double](repeating: power.idle, count: Int(count))
        var tensor = [Double](repeating: 0, count: Int(count))
        var works = [Bool](repeating: false, count: Int(count))
        for activity in activities {
            let more = power.amperes(of: activity.unit)
            let isTensor = activity.unit <= .tensorMultiply
            Self.forEachWindow(activity, windowTicks, Int(count)) { window, part in
                if isTensor {
                    tensor[window] += more * part
                    works[window] = true
                } else {
                    other[window] += more * part
                }
            }
        }
        otherAmperes = other
        tensorAmperes = tensor
        tensorWorks = works
    }

    /// Busy times of the engines' units and segments of the DMA engines, by start.
    private static func activities(_ timeline: Timeline, _ program: Program) -> [Activity] {
        var activities: [Activity] = []
        activities.reserveCapacity(program.instructions.count + timeline.segments.count)
        for (index, instruction) in program.instructions.enumerated()
        where timeline.busyEnd[index] > timeline.start[index] {
            activities.append(
                Activity(
                    start: timeline.start[index], end: timeline.busyEnd[index],
                    instruction: UInt32(index), unit: instruction.unit))
        }
        for engine in timeline.segmentStart.indices.dropLast() {
            let range = timeline.segmentStart[engine]..<timeline.segmentStart[engine + 1]
            for segment in timeline.segments[range] {
                activities.append(
                    Activity(
                        start: segment.start, end: segment.end, instruction: segment.instruction,
                        unit: .dma(engine)))
            }
        }
        activities.sort {
            ($0.start, $0.unit, $0.instruction) < ($1.start, $1.unit, $1.instruction)
        }
        return activities
    }

    /// The windows that something covers, each with the part that is covered.
    private static func forEachWindow(
        _ activity: Activity, _ windowTicks: Int64, _ count: Int, _ body: (Int, Double) -> Void
    ) {
        var window = activity.start / windowTicks
        var time = activity.start
        while time < activity.end, window < count {
            let end = min((window + 1) * windowTicks, activity.end)
            body(Int(window), Double(end - time) / Double(windowTicks))
            time = end
            window += 1
        }
    }
}

/// Why the power of a run cannot be looked at.
public enum PowerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The run has more windows than are looked at.
    case tooLong(windows: Int, limit: Int)
    /// A value that no supply, detector or load can have.
    case invalid(String)

    public var description: String {
        switch self {
        case .tooLong(let windows, let limit):
            "the run has \(windows) windows of power, at most \(limit); take longer windows"
        case .invalid(let problem): problem
        }
    }
}
