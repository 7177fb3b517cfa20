import Testing

@testable import KapokAccelerator

/// What profiles say about small programs that can be checked by hand.
@Suite("Profile")
struct ProfileTests {
    static func flow(_ semaphore: UInt16, _ value: UInt32) -> SemaphoreWait {
        SemaphoreWait(semaphore: semaphore, value: value, kind: .flow)
    }

    /// Loads a tile, multiplies with it, copies the result out of PSUM, stores it.
    static func chain() -> Program {
        var program = Program(name: "chain", machine: "trn2")
        program.tensors = [
            TensorDeclaration(name: "in", shape: [128, 512], type: .bf16, role: .input),
            TensorDeclaration(name: "out", shape: [128, 512], type: .fp32, role: .output),
        ]
        program.lines += (1...3).map { SourceLine(file: "Kernels/Chain.swift", line: $0) }
        program.tiles = [
            TileAllocation(
                name: "x", space: .sbuf, partitionStart: 0, partitionCount: 128, offset: 0,
                bytesPerPartition: 1024, type: .bf16, line: 1),
            TileAllocation(
                name: "sum", space: .psum, partitionStart: 0, partitionCount: 128, offset: 0,
                bytesPerPartition: 2048, type: .fp32, line: 2),
            TileAllocation(
                name: "y", space: .sbuf, partitionStart: 0, partitionCount: 128, offset: 1024,
                bytesPerPartition: 2048, type: .fp32, line: 3),
        ]
        func tile(_ index: UInt32, _ columns: Int) -> AccessPattern {
            let tile = program.tiles[Int(index)]
            return AccessPattern(
                tile.space, tile.type, partitionCount: 128, offset: tile.offset, tile: index,
                dimensions: [FreeDimension(count: columns, stride: 1)])
        }
        func tensor(_ index: Int, _ type: ElementType) -> AccessPattern {
            AccessPattern(
                .hbm, type, partitionCount: 128, tensor: index, partitionStride: 512,
                dimensions: [FreeDimension(count: 512, stride: 1)])
        }
        program.patterns = [
            tensor(0, .bf16), tile(0, 512), tile(0, 128), tile(1, 512), tile(2, 512),
            tensor(1, .fp32),
        ]
        let make = SimulatorTimingTests.instruction
        program.instructions = [
            make(.dmaCopy, .sync, 1, 0, 6, []),
            make(.loadStationary, .tensor, nil, 2, 0, [flow(6, 1)]),
            make(.multiplyMoving, .tensor, 3, 1, 1, [flow(6, 1)]),
            make(.tensorCopy, .vector, 4, 3, 2, [flow(1, 1)]),
            make(.dmaCopy, .sync, 5, 4, 6, [flow(2, 1)]),
        ]
        for (index, line) in [1, 2, 2, 3, 3].enumerated() {
            program.instructions[index].line = UInt32(line)
        }
        program.loops = [LoopDeclaration(name: "rows", line: 1)]
        program.iterations = [LoopIteration(loop: 0, index: 0, parent: LoopIteration.none)]
        program.iterationOfInstruction = [0, 0, 0, 0, LoopIteration.none]
        return program
    }

    @Test("in a chain each stall names the instruction before it, in phases that follow each other")
    func chainStalls() throws {
        let profile = try Profiler(machine: Machine(.trainium2)).profile(Self.chain())
        let vector = profile.stalls.filter { $0.unit == .vector }
        #expect(vector.map(\.reason) == [.data, .resultLatency, .semaphoreLatency, .programEnd])
        #expect(vector.dropLast().allSatisfy { $0.culprit == 2 && $0.victim == 3 })
        #expect(vector.last?.culprit == 4)
        let multiply = profile.stalls.filter { $0.unit == .tensorMultiply }
        // It waits for the load of its matrix, which waited for the transfer like itself.
        #expect(multiply.first?.reason == .data)
        #expect(multiply.first?.culprit == 1)
        let load = profile.stalls.filter { $0.unit == .tensorLoad }
        #expect(
            load.map(\.reason) == [
                .data, .descriptor, .dmaLatency, .dmaTransfer, .dmaLatency, .semaphoreLatency,
                .programEnd,
            ])
        let engine = profile.stalls.filter { $0.unit == .dma(0) }
        #expect(engine.map(\.reason).prefix(3) == [.dmaLatency, .descriptor, .dmaLatency])
        #expect(engine.contains { $0.reason == .data && $0.culprit == 3 && $0.victim == 4 })
    }

    @Test("the critical path of a chain is the chain")
    func chainPath() throws {
        let profile = try Profiler(machine: Machine(.trainium2)).profile(Self.chain())
        #expect(
            profile.criticalPath.map(\.instruction) == [
                0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4,
            ])
        #expect(
            profile.criticalPath.map(\.kind) == [
                .busy, .descriptor, .dmaLatency, .dmaTransfer, .dmaLatency, .semaphoreLatency,
                .busy, .busy, .resultLatency, .semaphoreLatency, .busy, .resultLatency,
                .semaphoreLatency, .busy, .descriptor, .dmaLatency, .dmaTransfer, .dmaLatency,
            ])
    }

    @Test("operations, bytes and utilisations are those of the definitions")
    func metrics() throws {
        let machine = try Machine(.trainium2)
        let profile = try Profiler(machine: machine).profile(Self.chain())
        let metrics = profile.metrics
        #expect(metrics.modelFLOPs == 2 * 128 * 128 * 512)
        #expect(metrics.hardwareFLOPs == metrics.modelFLOPs)
        #expect(metrics.hbmReadBytes == 128 * 512 * 2)
        #expect(metrics.hbmWrittenBytes == 128 * 512 * 4)
        #expect(metrics.minimumBytes == 128 * 512 * 6)
        #expect(metrics.packets == 256)
        let seconds = machine.nanoseconds(ticks: profile.timeline.makespan) / 1e9
        #expect(abs(metrics.mfu - metrics.modelFLOPs / seconds / 78.6432e12) < 1e-12)
        #expect(abs(metrics.mbu - 393_216 / seconds / 725e9) < 1e-12)
        #expect(metrics.minimumMBU == metrics.mbu)
        #expect(metrics.peakSBUFBytesPerPartition == 2048)
        #expect(metrics.peakPSUMBytesPerPartition == 2048)
        let moved = profile.timeline.segments.reduce(0) { $0 + $1.end - $1.start }
        let share = Double(moved) / 16 / Double(profile.timeline.makespan)
        #expect(abs(metrics.dmaEngineUtilisation - share) < 1e-12)
        // All engines move at the same time here.
        #expect(abs(metrics.dmaActive - share) < 1e-12)
        let transpose = try Profiler(machine: machine).profile(Self.transposing())
        #expect(transpose.metrics.modelFLOPs == 0)
        #expect(transpose.metrics.hardwareFLOPs == metrics.hardwareFLOPs)
    }

    private static func transposing() -> Program {
        var program = chain()
        program.instructions[2].flags = .transpose
        return program
    }

    @Test("tiles use memory from the start of their first to the end of their last instruction")
    func memory() throws {
        let profile = try Profiler(machine: Machine(.trainium2)).profile(Self.chain())
        let timeline = profile.timeline
        let memory = MemoryProfile(profile)
        let (x, sum, y) = (128 * 1024, 128 * 2048, 128 * 2048)
        let expected = [
            MemoryProfile.Sample(time: 0, sbufBytes: x, psumBytes: 0),
            MemoryProfile.Sample(time: timeline.start[2], sbufBytes: x, psumBytes: sum),
            MemoryProfile.Sample(time: timeline.end[2], sbufBytes: 0, psumBytes: sum),
            MemoryProfile.Sample(time: timeline.start[3], sbufBytes: y, psumBytes: sum),
            MemoryProfile.Sample(time: timeline.end[3], sbufBytes: y, psumBytes: 0),
            MemoryProfile.Sample(time: timeline.end[4], sbufBytes: 0, psumBytes: 0),
        ]
        #expect(memory.samples == expected)
    }

    @Test("tables by line and by loop")
    func tables() throws {
        let profile = try Profiler(machine: Machine(.trainium2)).profile(Self.chain())
        let lines = profile.lineUsage()
        #expect(lines.map(\.line) == [1, 2, 3])
        #expect(lines.map(\.usage.count) == [1, 2, 2])
        let multiply = profile.units[Int(Unit.tensorMultiply.rawValue)].busy
        #expect(lines[1].usage.busy[Int(Unit.tensorMultiply.rawValue)] == multiply)
        let loops = profile.loopUsage()
        #expect(loops.count == 1)
        #expect(loops[0].usage.count == 4)
        #expect(loops[0].iterations == 1)
        #expect(loops[0].depth == 0)
    }

    @Test("what-if: without a cause that is on the path, the program is shorter by what it took")
    func whatIf() throws {
        let profiler = Profiler(machine: try Machine(.trainium2))
        let program = Self.chain()
        let profile = try profiler.profile(program)
        func onPath(_ kinds: CriticalStep.Kind...) -> Int64 {
            profile.criticalPath.reduce(0) { kinds.contains($1.kind) ? $0 + $1.end - $1.start : $0 }
        }
        func gain(_ cause: RemovedCause) throws -> Int64 {
            let answer = try profiler.whatIf(program, without: cause)
            #expect(answer.makespan == profile.timeline.makespan)
            return answer.gain
        }
        // Nothing runs beside the chain, so all of it is gained.
        #expect(try gain(.reason(.semaphoreLatency)) == onPath(.semaphoreLatency))
        #expect(try gain(.reason(.descriptor)) == onPath(.descriptor))
        #expect(try gain(.reason(.dmaLatency)) == onPath(.dmaLatency))
        #expect(try gain(.reason(.dmaTransfer)) == onPath(.dmaTransfer))
        #expect(try gain(.reason(.resultLatency)) == onPath(.resultLatency))
        #expect(try gain(.reason(.memoryContention)) == 0)
        #expect(try gain(.reason(.throttle)) == 0)
        #expect(try gain(.reason(.programEnd)) == 0)
        #expect(try gain(.culprit(0)) > 0)
        let table = try profiler.whatIfTable(program)
        #expect(table.count == StallReason.allCases.count - 1)
        #expect(zip(table, table.dropFirst()).allSatisfy { $0.gain >= $1.gain })
        #expect(table.first?.removed == .reason(.data))
    }

    @Test(
        "comparing profiles: a change shows by unit, by reason and by line, and nothing else does")
    func comparison() throws {
        let profiler = Profiler(machine: try Machine(.trainium2))
        let before = try profiler.profile(Self.chain())
        let same = ProfileComparison(before, before)
        #expect(same.makespan.delta == 0)
        #expect(same.units.allSatisfy { $0.busy.delta == 0 })
        #expect(same.lines.allSatisfy { $0.critical.delta == 0 && $0.busy.delta == 0 })
        // The same with line numbers that differ inside the program.
        var changed = Self.chain()
        changed.lines.insert(SourceLine(file: "Kernels/Chain.swift", line: 9), at: 1)
        for index in changed.instructions.indices { changed.instructions[index].line += 1 }
        changed.instructions[3].engine = .scalar
        changed.instructions[3].signal = 3
        changed.instructions[4].wait0.semaphore = 3
        let after = try profiler.profile(changed)
        let comparison = ProfileComparison(before, after)
        #expect(comparison.makespan.delta == after.timeline.makespan - before.timeline.makespan)
        #expect(comparison.units[Int(Unit.vector.rawValue)].busy.after == 0)
        #expect(comparison.units[Int(Unit.scalar.rawValue)].busy.before == 0)
        #expect(comparison.lines.first?.line == SourceLine(file: "Kernels/Chain.swift", line: 3))
        #expect(comparison.lines.count == 3)
        let stalls = comparison.engineStalls[Int(StallReason.resultLatency.rawValue)]
        #expect(stalls.before > 0)
    }
}
