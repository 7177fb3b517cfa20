/// Voltage curves as a self-contained SVG: one panel for the voltage with the detector's trigger,
/// one below for the current.
public struct SupplyPlot: Sendable {
    /// A curve with its name.
    public struct Series: Sendable {
        /// For the legend.
        public var name: String
        /// In order of time.
        public var points: [SupplyPoint]

        public init(name: String, points: [SupplyPoint]) {
            self.name = name
            self.points = points
        }
    }

    private let title: String
    private let series: [Series]
    private let nominalVolts: Double
    private let triggerVolts: Double
    private let duration: Double

    private let left = 76.0
    private let width = 860.0
    private let colors = ["#dc2626", "#2563eb", "#047857", "#7c3aed"]

    /// - Parameters:
    ///   - duration: nanoseconds that the time axis covers.
    public init(
        title: String, series: [Series], nominalVolts: Double, triggerVolts: Double,
        duration: Double
    ) {
        self.title = title
        self.series = series
        self.nominalVolts = nominalVolts
        self.triggerVolts = triggerVolts
        self.duration = max(duration, 1e-3)
    }

    /// The SVG document.
    public var svg: String {
        let points = series.flatMap(\.points)
        let lowest = min(triggerVolts, points.map(\.volts).min() ?? triggerVolts)
        let highest = max(nominalVolts, points.map(\.volts).max() ?? nominalVolts)
        let volts = PlotAxis(
            from: lowest - 0.02, to: highest + 0.02, pixels: (360, 80), unit: "V")
        let most = points.map(\.amperes).max() ?? 1
        let amperes = PlotAxis(from: 0, to: most * 1.05, pixels: (540, 400), unit: "A")
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 632" width="960" height="632" \
            font-family="system-ui, sans-serif" role="img" aria-label="\(Self.escaped(title))">
            <style>text{font-size:13px;fill:#475569}.grid{stroke:#e2e8f0}.curve{fill:none;\
            stroke-width:2;stroke-linejoin:round}</style>
            <rect width="960" height="632" fill="#ffffff"/>
            <text x="24" y="34" style="font-size:18px;font-weight:700;fill:#0f172a">\
            \(Self.escaped(title))</text>
            \(legend())
            \(grid(volts))
            \(reference(volts))
            \(series.indices.map { curve($0, volts) { $0.volts } }.joined(separator: "\n"))
            \(grid(amperes))
            \(series.indices.map { curve($0, amperes) { $0.amperes } }.joined(separator: "\n"))
            \(timeAxis())
            <text x="24" y="614" style="font-size:12px">Modelled. Illustrative: constants and \
            currents are invented; no supply network of Trainium is published.</text>
            </svg>

            """
    }

    /// Names come from kernels and files.
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }

    private func x(_ time: Double) -> Double { left + width * time / duration }

    private func legend() -> String {
        series.enumerated().map { index, one in
            let x = left + Double(index) * 400
            return
                "<line x1=\"\(x)\" y1=\"58\" x2=\"\(x + 26)\" y2=\"58\" stroke=\"\(color(index))\" "
                + "stroke-width=\"3\"/><text x=\"\(x + 34)\" y=\"62\">"
                + "\(Self.escaped(one.name))</text>"
        }.joined(separator: "\n")
    }

    private func color(_ index: Int) -> String { colors[index % colors.count] }

    private func grid(_ axis: PlotAxis) -> String {
        axis.ticks.map { tick in
            let y = axis.position(tick)
            return "<line x1=\"\(left)\" x2=\"\(left + width)\" y1=\"\(round1(y))\" "
                + "y2=\"\(round1(y))\" class=\"grid\"/><text x=\"\(left - 8)\" "
                + "y=\"\(round1(y + 4))\" text-anchor=\"end\">\(axis.label(tick))</text>"
        }.joined(separator: "\n")
    }

    private func reference(_ axis: PlotAxis) -> String {
        [(nominalVolts, "nominal", "#64748b"), (triggerVolts, "throttles below", "#b45309")].map {
            let y = round1(axis.position($0.0))
            return "<line x1=\"\(left)\" x2=\"\(left + width)\" y1=\"\(y)\" y2=\"\(y)\" "
                + "stroke=\"\($0.2)\" stroke-dasharray=\"6 5\"/><text x=\"\(left + width)\" "
                + "y=\"\(y - 5)\" text-anchor=\"end\" style=\"fill:\($0.2)\">\($0.1)</text>"
        }.joined(separator: "\n")
    }

    private func curve(
        _ index: Int, _ axis: PlotAxis, _ value: (SupplyPoint) -> Double
    ) -> String {
        let points = series[index].points.map {
            "\(round1(x($0.time))),\(round1(axis.position(value($0))))"
        }
        return "<polyline class=\"curve\" stroke=\"\(color(index))\" points=\""
            + points.joined(separator: " ") + "\"/>"
    }

    private func timeAxis() -> String {
        let isLong = duration >= 20_000
        let axis = PlotAxis(
            from: 0, to: isLong ? duration / 1000 : duration, pixels: (left, left + width),
            unit: isLong ? "µs" : "ns")
        return axis.ticks.map { tick in
            let x = round1(axis.position(tick))
            return "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"540\" y2=\"546\" stroke=\"#94a3b8\"/>"
                + "<text x=\"\(x)\" y=\"564\" text-anchor=\"middle\">\(axis.label(tick))</text>"
        }.joined(separator: "\n")
    }

    private func round1(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// An axis with round numbers at its ticks.
struct PlotAxis: Sendable {
    private let from: Double
    private let to: Double
    private let pixels: (Double, Double)
    private let unit: String
    private let spacing: Double

    init(from: Double, to: Double, pixels: (Double, Double), unit: String) {
        self.from = from
        self.to = max(to, from + 1e-9)
        self.pixels = pixels
        self.unit = unit
        var spacing = 1e-9
        // 1, 2, 5, 10, 20, ... until there are few enough.
        var mantissa = 0
        while (self.to - self.from) / spacing > 8 {
            spacing *= [2, 2.5, 2][mantissa]
            mantissa = (mantissa + 1) % 3
        }
        self.spacing = spacing
    }

    var ticks: [Double] {
        let first = (from / spacing).rounded(.up)
        let last = (to / spacing).rounded(.down)
        return stride(from: first, through: last, by: 1).map { $0 * spacing }
    }

    func position(_ value: Double) -> Double {
        pixels.0 + (pixels.1 - pixels.0) * (value - from) / (to - from)
    }

    /// The number with as many digits as the spacing has.
    func label(_ tick: Double) -> String {
        var scale = 1.0
        var digits = 0
        while digits < 6, abs(spacing * scale - (spacing * scale).rounded()) > 1e-6 * scale {
            scale *= 10
            digits += 1
        }
        let units = Int((abs(tick) * scale).rounded())
        let sign = tick < 0 && units > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(units) \(unit)" }
        let whole = Int(scale)
        let fraction = String(units % whole)
        let padded = String(repeating: "0", count: digits - fraction.count) + fraction
        return "\(sign)\(units / whole).\(padded) \(unit)"
    }
}
