public import Metrics
import Synchronization

/// Keeps what swift-metrics reports and writes it as text for Prometheus.
///
/// Handles are found or made under a lock; what they count, they count without one. The number of
/// series is bounded: what does not fit is discarded, and counted as such. Destroying a handle
/// leaves its series: another handle may count into it, and counters must not fall.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    /// The most series of all families together.
    public static let maximumSeries = 4096

    private enum Series {
        case counter(CounterSeries)
        case floatingCounter(FloatingCounterSeries)
        case gauge(GaugeSeries)
        case histogram(HistogramSeries)

        var kind: TextExposition.Kind {
            switch self {
            case .counter, .floatingCounter: .counter
            case .gauge: .gauge
            case .histogram: .histogram
            }
        }
    }

    /// A label's name and value.
    private struct Label: Hashable {
        var name: String
        var value: String
    }

    private struct Member {
        var labels: [(String, String)]
        var series: Series
    }

    private struct State {
        /// By name, then by labels.
        var families: [String: [[Label]: Member]] = [:]
        /// Names of sample lines, and the family each belongs to: `x_count` may come from a
        /// histogram `x` or be a counter, but not both.
        var owners: [String: String] = [:]
        var count = 0
    }

    private let state = Mutex(State())
    private let discarded = CounterSeries()

    public init() {}

    // MARK: Making handles

    /// A counter of whole numbers.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let series = series(label, dimensions, .counter) { .counter(CounterSeries()) }
        if case .counter(let counter) = series { return counter }
        return discard()
    }

    /// A counter of fractions.
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        let series = series(label, dimensions, .counter) {
            .floatingCounter(FloatingCounterSeries())
        }
        if case .floatingCounter(let counter) = series { return counter }
        return discard()
    }

    /// A value that goes up and down.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        let series = series(label, dimensions, .gauge) { .gauge(GaugeSeries()) }
        if case .gauge(let gauge) = series { return gauge }
        return discard()
    }

    /// A histogram when `aggregate`, else a gauge.
    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else {
            let series = series(label, dimensions, .gauge) { .gauge(GaugeSeries()) }
            if case .gauge(let gauge) = series { return gauge }
            return discard()
        }
        let series = series(label, dimensions, .histogram) {
            .histogram(HistogramSeries(bounds: HistogramSeries.generalBounds))
        }
        if case .histogram(let histogram) = series { return histogram }
        return discard()
    }

    /// A histogram of seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let series = series(label, dimensions, .histogram) {
            .histogram(HistogramSeries(bounds: HistogramSeries.durationBounds))
        }
        if case .histogram(let histogram) = series { return histogram }
        return discard()
    }

    /// Series stay as long as the registry.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Series stay as long as the registry.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    /// Series stay as long as the registry.
    public func destroyMeter(_ handler: any MeterHandler) {}
    /// Series stay as long as the registry.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Series stay as long as the registry.
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func discard() -> DiscardedSeries {
        discarded.increment(by: 1)
        return DiscardedSeries()
    }

    /// The series of that name and those labels; nil when there is no room for it, or when
    /// something of another kind has its name.
    private func series(
        _ name: String, _ dimensions: [(String, String)], _ kind: TextExposition.Kind,
        make: () -> Series
    ) -> Series? {
        let name = TextExposition.validName(name, colons: true)
        let labels = Self.labels(dimensions)
        return state.withLock { state in
            if let family = state.families[name] {
                if let known = family[labels] { return known.series }
                guard family.values.first?.series.kind == kind else { return nil }
            }
            let lines =
                kind == .histogram
                ? [name, name + "_bucket", name + "_sum", name + "_count"] : [name]
            guard state.count < Self.maximumSeries,
                lines.allSatisfy({ (state.owners[$0] ?? name) == name })
            else { return nil }
            for line in lines { state.owners[line] = name }
            state.count += 1
            let series = make()
            state.families[name, default: [:]][labels] = Member(
                labels: labels.map { ($0.name, $0.value) }, series: series)
            return series
        }
    }

    /// In order of names, each name once. `le` is the format's own.
    private static func labels(_ dimensions: [(String, String)]) -> [Label] {
        var byName: [String: String] = [:]
        for (name, value) in dimensions {
            let valid = TextExposition.validName(name, colons: false)
            byName[valid == "le" ? "_le" : valid] = value
        }
        return byName.sorted { $0.key < $1.key }.map { Label(name: $0.key, value: $0.value) }
    }

    // MARK: Writing

    /// All series as text, in order of names and labels.
    public func exposition() -> String {
        let families = state.withLock { $0.families.mapValues { Array($0.values) } }
        var exposition = TextExposition()
        for (name, members) in families.sorted(by: { $0.key < $1.key }) {
            guard let kind = members.first?.series.kind else { continue }
            exposition.family(name, kind, help: MetricHelp.texts[name])
            let ordered = members.sorted { a, b in
                a.labels.lexicographicallyPrecedes(b.labels) { $0 < $1 }
            }
            for member in ordered { Self.write(member, name, into: &exposition) }
        }
        exposition.single(
            "kapok_metrics_discarded_total", .counter,
            help: "Metric handles that were not kept, because of too many series or a name in use.",
            discarded.value)
        return exposition.text
    }

    private static func write(
        _ member: Member, _ name: String, into exposition: inout TextExposition
    ) {
        switch member.series {
        case .counter(let series): exposition.sample(name, member.labels, "\(series.value)")
        case .floatingCounter(let series):
            exposition.sample(name, member.labels, TextExposition.number(series.value))
        case .gauge(let series):
            exposition.sample(name, member.labels, TextExposition.number(series.value))
        case .histogram(let series): exposition.histogram(name, member.labels, series)
        }
    }
}
