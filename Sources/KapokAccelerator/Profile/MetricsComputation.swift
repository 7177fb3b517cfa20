extension ProfileMetrics {
    /// Totals and rates of a run; the definitions stand at the properties.
    init(_ run: ProfiledRun, units: [UnitUsage]) {
        self.init()
        for (index, instruction) in run.program.instructions.enumerated() {
            switch instruction.opcode {
            case .multiplyMoving: addMultiplication(instruction, run.program.patterns)
            case .dmaCopy, .dmaTranspose: addTransfer(index, instruction, run)
            default: break
            }
        }
        for tensor in run.program.tensors where tensor.role != .scratch {
            minimumBytes += Int64(tensor.byteCount)
        }
        addRates(run)
        addEngines(run, units)
        let memory = MemoryProfile(run)
        peakSBUFBytesPerPartition = memory.peakSBUFBytesPerPartition
        peakPSUMBytesPerPartition = memory.peakPSUMBytesPerPartition
    }

    /// 2 x M x K x N; with two FP8 rows in a partition the moving matrix has twice the elements, so
    /// its elements count, not its columns.
    private mutating func addMultiplication(
        _ instruction: Instruction, _ patterns: [AccessPattern]
    ) {
        guard instruction.destination != Instruction.noPattern else { return }
        let moving = patterns[Int(instruction.source0)]
        let columns = Double(patterns[Int(instruction.destination)].partitionCount)
        let operations =
            2 * columns * Double(moving.partitionCount) * Double(moving.elementsPerPartition)
        hardwareFLOPs += operations
        if !instruction.flags.contains(.transpose) { modelFLOPs += operations }
    }

    private mutating func addTransfer(
        _ index: Int, _ instruction: Instruction, _ run: ProfiledRun
    ) {
        let cost = run.cost(index)
        packets += cost.packets
        packetTicks += cost.totalTicks1024 / 1024
        let source = run.program.patterns[Int(instruction.source0)]
        let destination = run.program.patterns[Int(instruction.destination)]
        if source.space == .hbm {
            hbmReadBytes += Int64(source.totalBytes)
            if run.program.isScratch(source) { reloadedBytes += Int64(source.totalBytes) }
        }
        if destination.space == .hbm {
            hbmWrittenBytes += Int64(destination.totalBytes)
            if run.program.isScratch(destination) {
                spilledBytes += Int64(destination.totalBytes)
            }
        }
    }

    private mutating func addRates(_ run: ProfiledRun) {
        guard run.timeline.makespan > 0 else { return }
        let nanoseconds = run.machine.nanoseconds(ticks: run.timeline.makespan)
        // Tera-operations a second are kilo-operations a nanosecond.
        let peak = run.machine.value(.peakBF16) * 1000 * nanoseconds
        mfu = modelFLOPs / peak
        hfu = hardwareFLOPs / peak
        let bytes = run.machine.hbmStackBandwidth * nanoseconds
        mbu = Double(hbmReadBytes + hbmWrittenBytes) / bytes
        minimumMBU = Double(minimumBytes) / bytes
    }

    private mutating func addEngines(_ run: ProfiledRun, _ units: [UnitUsage]) {
        guard run.timeline.makespan > 0 else { return }
        let makespan = Double(run.timeline.makespan)
        let engines = units.filter { $0.unit.dmaIndex != nil }
        let moved = engines.reduce(0) { $0 + $1.busy + $1.stalled(.memoryContention) }
        dmaEngineUtilisation = Double(moved) / Double(max(1, engines.count)) / makespan
        dmaActive = Double(Self.activeTicks(run.timeline.segments)) / makespan
    }

    /// Ticks in which at least one segment is under way.
    private static func activeTicks(_ segments: [TransferSegment]) -> Int64 {
        var (active, end): (Int64, Int64) = (0, 0)
        for segment in segments.sorted(by: { $0.start < $1.start }) where segment.end > end {
            active += segment.end - max(segment.start, end)
            end = segment.end
        }
        return active
    }
}

extension UnitUsage {
    /// Idle ticks for one reason.
    public func stalled(_ reason: StallReason) -> Int64 { stalled[Int(reason.rawValue)] }
}

extension Program {
    /// Whether a pattern in HBM lies in scratch space: what is written there was spilled.
    fileprivate func isScratch(_ pattern: AccessPattern) -> Bool {
        let tensor = Int(pattern.tensor)
        return tensors.indices.contains(tensor) && tensors[tensor].role == .scratch
    }
}
