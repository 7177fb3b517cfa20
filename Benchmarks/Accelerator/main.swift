// The rates of the accelerator's tools. Usage: AcceleratorBenchmark [--json] [--quick]

import Glibc
import KapokAccelerator

let arguments = CommandLine.arguments.dropFirst()
guard arguments.allSatisfy({ $0 == "--json" || $0 == "--quick" }) else {
    print("usage: AcceleratorBenchmark [--json] [--quick]")
    exit(64)
}
let isQuick = arguments.contains("--quick")
do {
    let timing = try TimingRate(isQuick: isQuick).measure()
    if arguments.contains("--json") {
        print("{\"timing\":\(TimingRate.json(timing))}")
    } else {
        TimingRate.printTable(timing)
    }
} catch {
    print("failed: \(error)")
    exit(1)
}
