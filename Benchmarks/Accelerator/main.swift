// The rates of the accelerator's tools.
// Usage: AcceleratorBenchmark [timing] [chip] [values] [trace] [--json] [--quick]

import Glibc
import KapokAccelerator

/// What can be measured, by its name on the command line.
enum Measurement: String, CaseIterable {
    case timing
    case chip
    case values
    case trace

    /// Measures and prints a table, or returns the figures as JSON.
    func run(isQuick: Bool, asJSON: Bool) throws -> String? {
        switch self {
        case .timing:
            let rows = try TimingRate(isQuick: isQuick).measure()
            if asJSON { return TimingRate.json(rows) }
            TimingRate.printTable(rows)
        case .chip:
            let rows = try ChipRate(isQuick: isQuick).measure()
            if asJSON { return ChipRate.json(rows) }
            ChipRate.printTable(rows)
        case .values:
            let rate = ValuesRate(isQuick: isQuick)
            let (products, elementwise) = (try rate.products(), try rate.elementwise())
            if asJSON { return ValuesRate.json(products, elementwise) }
            ValuesRate.printTable(products, elementwise)
        case .trace:
            let rows = try TraceExport(isQuick: isQuick).measure()
            if asJSON { return TraceExport.json(rows) }
            TraceExport.printTable(rows)
        }
        return nil
    }
}

let flags: Set<String> = ["--json", "--quick"]
let arguments = CommandLine.arguments.dropFirst()
let chosen = arguments.filter { !flags.contains($0) }.map { Measurement(rawValue: $0) }
guard chosen.allSatisfy({ $0 != nil }) else {
    print("usage: AcceleratorBenchmark [timing] [chip] [values] [trace] [--json] [--quick]")
    exit(64)
}
let asJSON = arguments.contains("--json")
let measurements = chosen.isEmpty ? Measurement.allCases : chosen.compactMap { $0 }
do {
    var members: [String] = []
    for measurement in measurements {
        let json = try measurement.run(
            isQuick: arguments.contains("--quick"), asJSON: asJSON)
        if let json { members.append("\"\(measurement.rawValue)\":\(json)") } else { print("") }
    }
    if asJSON { print("{\(members.joined(separator: ","))}") }
} catch {
    print("failed: \(error)")
    exit(1)
}
