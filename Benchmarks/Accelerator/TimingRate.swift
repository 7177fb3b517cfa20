import KapokAccelerator

/// How many instructions a second the simulator times on one core, costs included.
struct TimingRate {
    /// One measurement.
    struct Row {
        var program: String
        var recording: String
        var instructions: Int
        var makespan: Int64
        var millionPerSecond: Double
    }

    /// The bar for large programs, makespan only, in million instructions a second.
    static let bar = 20.0

    var isQuick: Bool

    /// In-cache programs are of some ten thousand records of 64 bytes, the others of millions.
    func measure() throws -> [Row] {
        let simulator = Simulator(machine: try Machine(.trainium2))
        let scale = isQuick ? 1 : 8
        let programs = [
            BlockedMatmul(rowTiles: 16, columnBlocks: 2, depthBlocks: 4).program(),
            BlockedMatmul(rowTiles: 32, columnBlocks: 4 * scale, depthBlocks: 64).program(),
            MixedProgram(instructionCount: 10_000, seed: 1).program(),
            MixedProgram(instructionCount: 500_000 * scale, seed: 2).program(),
        ]
        var rows: [Row] = []
        for program in programs {
            for recording in [SimulationOptions.Recording.makespan, .instructions, .everything] {
                rows.append(try measure(program, recording, simulator))
            }
        }
        return rows
    }

    private func measure(
        _ program: Program, _ recording: SimulationOptions.Recording, _ simulator: Simulator
    ) throws -> Row {
        let options = SimulationOptions(recording: recording)
        let count = program.instructions.count
        let repetitions = max(1, (isQuick ? 200_000 : 2_000_000) / count)
        var rates: [Double] = []
        var makespan: Int64 = 0
        for _ in 0..<(isQuick ? 3 : 7) {
            let start = threadCPUNanoseconds()
            for _ in 0..<repetitions {
                makespan = try simulator.run(program, options: options).makespan
            }
            let elapsed = threadCPUNanoseconds() - start
            rates.append(Double(count * repetitions) * 1000 / Double(max(elapsed, 1)))
        }
        return Row(
            program: program.name, recording: "\(recording)", instructions: count,
            makespan: makespan, millionPerSecond: median(rates))
    }

    static func printTable(_ rows: [Row]) {
        print("Timing simulation, million instructions/s of thread CPU time (bar \(bar) for")
        print("the length of programs out of cache)")
        print("program         instructions  recorded           rate  makespan in ticks")
        for row in rows {
            print(
                column(row.program, -16) + column(String(row.instructions), 12) + "  "
                    + column(row.recording, -13) + column(twoDigits(row.millionPerSecond), 10)
                    + column(String(row.makespan), 19))
        }
    }

    static func json(_ rows: [Row]) -> String {
        let entries = rows.map { row in
            """
            {"program":"\(row.program)","instructions":\(row.instructions),\
            "recorded":"\(row.recording)","makespanTicks":\(row.makespan),\
            "millionPerSecond":\(twoDigits(row.millionPerSecond))}
            """
        }
        return "{\"bar\":\(bar),\"rows\":[\(entries.joined(separator: ","))]}"
    }
}
