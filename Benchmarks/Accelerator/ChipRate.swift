import KapokAccelerator

/// How many instructions a second all cores of a chip together are timed with, on two threads.
struct ChipRate {
    /// One measurement; the rate is of time, not of processors.
    struct Row {
        var cores: Int
        var threads: Int
        var instructions: Int
        var millionPerSecond: Double
    }

    /// The bar for eight cores, in million instructions a second.
    static let bar = 10.0

    var isQuick: Bool

    func measure() throws -> [Row] {
        let chip = ChipSimulator(machine: try Machine(.trainium2))
        let program = BlockedMatmul(
            rowTiles: 32, columnBlocks: isQuick ? 1 : 4, depthBlocks: 32
        ).program()
        let programs = [Program](repeating: program, count: 8)
        let options = SimulationOptions(recording: .makespan)
        let count = programs.count * program.instructions.count
        return try [1, 2].map { threads in
            let rates = try (0..<(isQuick ? 1 : 5)).map { _ in
                let time = try ContinuousClock().measure {
                    _ = try chip.run(programs, options: options, threads: threads)
                }
                return Double(count) / (time / .seconds(1)) / 1e6
            }
            return Row(
                cores: programs.count, threads: threads, instructions: count,
                millionPerSecond: median(rates))
        }
    }

    static func printTable(_ rows: [Row]) {
        print("Chip of 8 cores, million instructions/s of time (bar \(bar))")
        print("threads  instructions      rate")
        for row in rows {
            print(
                column("\(row.threads)", 7) + column("\(row.instructions)", 14)
                    + column(twoDigits(row.millionPerSecond), 10))
        }
    }

    static func json(_ rows: [Row]) -> String {
        let entries = rows.map { row in
            """
            {"cores":\(row.cores),"threads":\(row.threads),"instructions":\(row.instructions),\
            "millionPerSecond":\(twoDigits(row.millionPerSecond))}
            """
        }
        return "{\"bar\":\(bar),\"rows\":[\(entries.joined(separator: ","))]}"
    }
}
