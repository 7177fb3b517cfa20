/// Draws reports as one SVG: how many failures are repaired and optimal after how long, and how the
/// affected traffic fares. Readable on light and dark backgrounds.
public enum FabricPlot {
    /// The document. Reports of several protocols share the axes; times are logarithmic.
    public static func svg(_ reports: [FabricReport]) -> String {
        var canvas = PlotCanvas(reports)
        canvas.begin()
        canvas.panel(
            0, title: "Failures answered",
            sides: "share of failures",
            series: reports.map { report in
                (
                    report.protocol, steps(report.repairSamples), steps(report.optimalSamples)
                )
            })
        canvas.panel(
            1, title: "Traffic of the failed links",
            sides: "share of the affected traffic",
            series: reports.map { report in
                (
                    report.protocol,
                    report.capacity.map { ($0.milliseconds, $0.delivered) },
                    report.capacity.map { ($0.milliseconds, $0.optimal) }
                )
            })
        canvas.end()
        return canvas.text
    }

    /// The cumulative distribution, at most 500 points of it.
    private static func steps(_ samples: [Double]) -> [(Double, Double)] {
        let sorted = samples.sorted()
        guard !sorted.isEmpty else { return [] }
        let step = max(1, sorted.count / 500)
        var points: [(Double, Double)] = []
        for index in Swift.stride(from: step - 1, to: sorted.count, by: step) {
            points.append((sorted[index], Double(index + 1) / Double(sorted.count)))
        }
        if let last = sorted.last, points.last?.1 != 1 { points.append((last, 1)) }
        return points
    }
}

/// The SVG in the making: two panels below each other with the same logarithmic time axis.
private struct PlotCanvas {
    private(set) var text = ""
    private let reports: [FabricReport]
    /// Powers of ten of a millisecond at the axis' ends.
    private let low: Int
    private let high: Int

    private static let width = 760.0
    private static let left = 64.0
    private static let right = 24.0
    private static let panelHeight = 220.0
    private static let panelStep = 300.0
    private static let top = 64.0
    private static let height = 2 * panelStep + top

    /// One hue a protocol, of middling lightness: they stand out on white and on black.
    private static let colors = ["#2f7fd6", "#d9722e", "#2f9e62", "#b0549f", "#8a8a2e", "#c24b4b"]

    init(_ reports: [FabricReport]) {
        self.reports = reports
        let times = reports.flatMap {
            [$0.repairMilliseconds.p50, $0.repairMilliseconds.max, $0.optimalMilliseconds.max]
                + $0.repairSamples.prefix(1)
        }.filter { $0 > 0 }
        var low = -2
        var high = 1
        while low > -6, Self.power(low) > times.min() ?? 1 { low -= 1 }
        while high < 12, Self.power(high) < times.max() ?? 1 { high += 1 }
        self.low = low
        self.high = high
    }

    private static func power(_ exponent: Int) -> Double {
        var value = 1.0
        for _ in 0..<abs(exponent) { value *= 10 }
        return exponent < 0 ? 1 / value : value
    }

    /// The logarithm to base 10, exact enough for a pixel.
    private static func logarithm(_ value: Double) -> Double {
        guard value > 0 else { return -300 }
        // value = significand * 2^exponent, 1 <= significand < 2; ln by its series.
        let x = (value.significand - 1) / (value.significand + 1)
        let square = x * x
        var term = x
        var sum = 0.0
        for n in stride(from: 1.0, to: 30, by: 2) {
            sum += term / n
            term *= square
        }
        let ln = 2 * sum + Double(value.exponent) * 0.693147180559945
        return ln / 2.302585092994046
    }

    private func x(_ milliseconds: Double) -> Double {
        let place = Self.logarithm(milliseconds)
        let share = (place - Double(low)) / Double(high - low)
        return Self.left + min(1, max(0, share)) * (Self.width - Self.left - Self.right)
    }

    private static func bottom(_ panel: Int) -> Double {
        top + Double(panel) * panelStep + panelHeight
    }

    private func y(_ share: Double, _ panel: Int) -> Double {
        Self.bottom(panel) - min(1, max(0, share)) * Self.panelHeight
    }

    /// One decimal.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }

    private static func escape(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    private mutating func label(
        _ content: String, _ x: Double, _ y: Double, anchor: String = "start",
        extra: String = ""
    ) {
        text +=
            "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor)\""
            + "\(extra)>\(Self.escape(content))</text>\n"
    }

    private mutating func line(
        _ fromX: Double, _ fromY: Double, _ toX: Double, _ toY: Double, _ style: String
    ) {
        text +=
            "<line x1=\"\(Self.number(fromX))\" y1=\"\(Self.number(fromY))\" "
            + "x2=\"\(Self.number(toX))\" y2=\"\(Self.number(toY))\" class=\"\(style)\"/>\n"
    }

    mutating func begin() {
        let size = "\(Int(Self.width))\" height=\"\(Int(Self.height))"
        text += """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(size)" \
            viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img">
            <style>
            text { font: 12px sans-serif; fill: #444 }
            .title { font-size: 14px; font-weight: bold }
            .axis { stroke: #888 } .grid { stroke: #8886; stroke-width: 0.5 }
            path { fill: none; stroke-width: 1.8 }
            @media (prefers-color-scheme: dark) { text { fill: #ccc } }
            </style>

            """
        guard let first = reports.first else { return }
        label(
            "\(first.topology): \(first.failures) failures, \(first.mode), seed \(first.seed)",
            Self.left, 20, extra: " class=\"title\"")
    }

    /// A panel with a solid and a dashed line for each report.
    mutating func panel(
        _ panel: Int, title: String, sides: String,
        series: [(name: String, solid: [(Double, Double)], dashed: [(Double, Double)])]
    ) {
        let bottom = Self.bottom(panel)
        let right = Self.width - Self.right
        label(title, Self.left, y(1, panel) - 22, extra: " class=\"title\"")
        for quarter in 0...4 {
            let share = Double(quarter) / 4
            line(Self.left, y(share, panel), right, y(share, panel), "grid")
            label("\(quarter * 25) %", Self.left - 8, y(share, panel) + 4, anchor: "end")
        }
        for exponent in low...high {
            let at = x(Self.power(exponent))
            line(at, bottom, at, y(1, panel), "grid")
            label(Self.timeName(exponent), at, bottom + 16, anchor: "middle")
        }
        line(Self.left, bottom, right, bottom, "axis")
        line(Self.left, bottom, Self.left, y(1, panel), "axis")
        label("time since the failure", right, bottom + 34, anchor: "end")
        label(
            sides, 14, bottom - Self.panelHeight / 2, anchor: "middle",
            extra: " transform=\"rotate(-90 14 "
                + "\(Self.number(bottom - Self.panelHeight / 2)))\"")
        var legend = Self.left + 190
        for (index, one) in series.enumerated() {
            let color = Self.colors[index % Self.colors.count]
            curve(one.solid, panel, color, "")
            curve(one.dashed, panel, color, " stroke-dasharray=\"5 3\"")
            label(
                one.name, legend, y(1, panel) - 22, extra: " style=\"fill:\(color)\"")
            legend += 60
        }
        label(
            panel == 0
                ? "solid: no packet lost; dashed: shortest paths"
                : "solid: arrives; dashed: on shortest paths",
            right, y(1, panel) - 6, anchor: "end")
    }

    private mutating func curve(
        _ points: [(Double, Double)], _ panel: Int, _ color: String, _ dash: String
    ) {
        guard !points.isEmpty else { return }
        var path = "M\(Self.number(Self.left)) \(Self.number(y(0, panel)))"
        for (time, share) in points {
            path += "H\(Self.number(x(time)))V\(Self.number(y(share, panel)))"
        }
        path += "H\(Self.number(Self.width - Self.right))"
        text += "<path d=\"\(path)\" stroke=\"\(color)\"\(dash)/>\n"
    }

    private static func timeName(_ exponent: Int) -> String {
        let units = ["ns", "us", "ms", "s"]
        let shifted = exponent + 6
        let unit = min(3, max(0, shifted / 3))
        var name = "1"
        for _ in 0..<max(0, shifted - 3 * unit) { name += "0" }
        return "\(name) \(units[unit])"
    }

    mutating func end() { text += "</svg>\n" }
}
