// The rates of the simulator: its event queue beside swift-collections' Heap, and its loop with
// a real handler. Usage: SimulationBenchmark [--json] [--quick]

import Glibc
import KapokSimulation
import KapokWorld

/// Runs and prints all measurements.
struct SimulationBenchmark {
    /// The loop with a real handler must reach this many million events a second.
    static let bar = 2.0

    struct QueueRow {
        var population: Int
        var distribution: HoldDistribution
        var eventQueue: Double
        var heap: Double
        var isOrderEqual: Bool
    }

    struct LoopRow {
        var rate: Double
        var meanPending: Int
        var steps: UInt64
        var delivered: UInt64
        var retransmitted: UInt64
        var traceHash: UInt64
    }

    var isQuick: Bool

    /// The runs of both queues are interleaved, so that a noisy machine disturbs both.
    func measureQueue(_ population: Int, _ distribution: HoldDistribution) -> QueueRow {
        let operations = isQuick ? 200_000 : 3_000_000
        let model = HoldModel(
            population: population, distribution: distribution, operations: operations)
        var (ours, theirs) = (Rates(), Rates())
        var isOrderEqual = true
        for _ in 0..<(isQuick ? 1 : 3) {
            let a = model.runEventQueue()
            let b = model.runSwiftCollectionsHeap()
            ours.add(events: UInt64(operations), nanoseconds: a.nanoseconds)
            theirs.add(events: UInt64(operations), nanoseconds: b.nanoseconds)
            isOrderEqual = isOrderEqual && a.orderHash == b.orderHash
        }
        return QueueRow(
            population: population, distribution: distribution, eventQueue: ours.median,
            heap: theirs.median, isOrderEqual: isOrderEqual)
    }

    /// 32,768 sessions keep one message or acknowledgement and one timer pending each: 64k events.
    func measureLoop() -> LoopRow {
        var rates = Rates()
        var last = LoopRow(
            rate: 0, meanPending: 0, steps: 0, delivered: 0, retransmitted: 0, traceHash: 0)
        for _ in 0..<(isQuick ? 1 : 3) {
            var simulation = Simulation(
                Retransmission(nodeCount: 256, sessionCount: 32_768, seed: 7),
                stepLimit: 1_000_000_000, minimumCapacity: 131_072)
            simulation.world.start(in: &simulation.agenda)
            // The round-trip estimates settle first.
            _ = simulation.run(until: .zero + .milliseconds(20))
            let warm = simulation.steps
            var pending = 0
            let slices = isQuick ? 2 : 20
            let start = threadCPUNanoseconds()
            for slice in 1...slices {
                let end = Interval.milliseconds(20 + 2 * UInt64(slice))
                _ = simulation.run(until: .zero + end)
                pending += simulation.agenda.count
            }
            rates.add(
                events: simulation.steps - warm, nanoseconds: threadCPUNanoseconds() - start)
            last = LoopRow(
                rate: rates.median, meanPending: pending / slices, steps: simulation.steps - warm,
                delivered: simulation.world.delivered,
                retransmitted: simulation.world.retransmitted, traceHash: simulation.traceHash)
        }
        return last
    }

    func printTable(_ queue: [QueueRow], _ loop: LoopRow) {
        print("Event queue, hold model, million events/s of thread CPU time")
        print("pending  increments  EventQueue  swift-collections Heap  ratio  order")
        for row in queue {
            print(
                column(String(row.population), 7) + "  " + column(row.distribution.rawValue, -10)
                    + column(twoDigits(row.eventQueue), 12) + column(twoDigits(row.heap), 24)
                    + column(twoDigits(row.eventQueue / row.heap), 7)
                    + (row.isOrderEqual ? "  equal" : "  DIFFERS"))
        }
        print("")
        print("Loop with a real handler: retransmission over a lossy network, 32768 sessions")
        print("  million events/s       \(twoDigits(loop.rate)) (bar \(twoDigits(Self.bar)))")
        print("  pending on average     \(loop.meanPending)")
        print("  events measured        \(loop.steps)")
        print("  messages delivered     \(loop.delivered), sent again \(loop.retransmitted)")
        print("  trace hash             \(String(loop.traceHash, radix: 16))")
    }

    func printJSON(_ queue: [QueueRow], _ loop: LoopRow) {
        let rows = queue.map { row in
            """
            {"pending":\(row.population),"increments":"\(row.distribution.rawValue)",\
            "eventQueueMillionPerSecond":\(twoDigits(row.eventQueue)),\
            "swiftCollectionsHeapMillionPerSecond":\(twoDigits(row.heap)),\
            "orderEqual":\(row.isOrderEqual)}
            """
        }
        print(
            """
            {"holdModel":[\(rows.joined(separator: ","))],"loop":{\
            "millionEventsPerSecond":\(twoDigits(loop.rate)),"bar":\(twoDigits(Self.bar)),\
            "meanPending":\(loop.meanPending),"events":\(loop.steps),\
            "delivered":\(loop.delivered),"retransmitted":\(loop.retransmitted),\
            "traceHash":"\(String(loop.traceHash, radix: 16))"}}
            """)
    }

    /// Returns false when a queue's order differs from its peer's.
    func run(asJSON: Bool) -> Bool {
        var rows: [QueueRow] = []
        for population in [1_000, 65_536, 1_000_000] {
            for distribution in HoldDistribution.allCases {
                rows.append(measureQueue(population, distribution))
            }
        }
        let loop = measureLoop()
        if asJSON { printJSON(rows, loop) } else { printTable(rows, loop) }
        return rows.allSatisfy(\.isOrderEqual)
    }
}

let arguments = CommandLine.arguments.dropFirst()
guard arguments.allSatisfy({ $0 == "--json" || $0 == "--quick" }) else {
    print("usage: SimulationBenchmark [--json] [--quick]")
    exit(64)
}
let benchmark = SimulationBenchmark(isQuick: arguments.contains("--quick"))
exit(benchmark.run(asJSON: arguments.contains("--json")) ? 0 : 1)
