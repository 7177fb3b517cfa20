// The rates of erasure coding and checksums beside ISA-L called from C in the same run.
// Usage: CodingBenchmark [--json] [--quick]

import Glibc

/// Kapok must reach this share of ISA-L's rate.
let bar = 0.8

/// `value` with two digits after the point.
func twoDigits(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100)." + (fraction < 10 ? "0" : "") + "\(fraction)"
}

/// `text` filled up with spaces on the left (or on the right for `width` below zero).
func column(_ text: String, _ width: Int) -> String {
    let gap = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? text + gap : gap + text
}

func printTable(_ rows: [Comparison.Row]) {
    print("Coding and checksums, GB/s of thread CPU time; the bar is \(twoDigits(bar)) of ISA-L")
    print(column("", -32) + "   Kapok   ISA-L  ratio  memcpy")
    for row in rows {
        print(
            column(row.name, -32) + column(twoDigits(row.kapok), 8)
                + column(twoDigits(row.reference), 8) + column(twoDigits(row.ratio), 7)
                + column(row.copy.map(twoDigits) ?? "", 8)
                + (row.ratio < bar ? "  BELOW THE BAR" : ""))
    }
}

func printJSON(_ rows: [Comparison.Row]) {
    let lines = rows.map { row in
        """
        {"name":"\(row.name)","kapokGigabytesPerSecond":\(twoDigits(row.kapok)),\
        "isalGigabytesPerSecond":\(twoDigits(row.reference)),"ratio":\(twoDigits(row.ratio)),\
        "memcpyGigabytesPerSecond":\(row.copy.map(twoDigits) ?? "null")}
        """
    }
    print(
        "{\"benchmark\":\"coding\",\"bar\":\(twoDigits(bar)),\"rows\":["
            + lines.joined(separator: ",") + "]}")
}

let arguments = CommandLine.arguments.dropFirst()
guard arguments.allSatisfy({ $0 == "--json" || $0 == "--quick" }) else {
    print("usage: CodingBenchmark [--json] [--quick]")
    exit(64)
}
let isQuick = arguments.contains("--quick")
var comparisons: [Comparison] = []
for (k, m) in [(4, 2), (8, 4), (10, 4)] {
    let coding = try CodingComparisons(dataShards: k, parityShards: m, byteCount: 64 << 10)
    guard coding.agree() else {
        print("\(k)+\(m): Kapok and ISA-L compute different bytes")
        exit(1)
    }
    comparisons += coding.comparisons
}
for byteCount in [128, 4 << 10, 64 << 10, 1 << 20] {
    comparisons.append(ChecksumComparison(byteCount: byteCount).comparison)
}
let rows = comparisons.map { comparison in
    comparison.measure(
        rounds: isQuick ? 3 : 21, bytesPerRound: isQuick ? 16 << 20 : 256 << 20)
}
if arguments.contains("--json") { printJSON(rows) } else { printTable(rows) }
