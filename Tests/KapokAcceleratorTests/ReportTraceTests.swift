import Testing

@testable import KapokAccelerator

@Suite("Traces for Perfetto")
struct ReportTraceTests {
    private let profile = ReportFixture.profile(count: 600, seed: 5)

    private func read(
        _ profile: Profile, _ change: (inout PerfettoTrace.Options) -> Void = { _ in }
    ) throws -> ReportTraceReader {
        var options = PerfettoTrace.Options()
        options.compressionLevel = 0
        change(&options)
        return try ReportTraceReader(
            PerfettoTrace.bytes(profile, options: options),
            clock: TickClock(ticksPerSecond: profile.machine.ticksPerSecond))
    }

    @Test(
        "every instruction is a slice of its unit: opcode, exact ticks, number, source line, order")
    func instructions() throws {
        let trace = try read(profile)
        for unit in (0..<UInt8(Unit.engineUnitCount)).map(Unit.init) {
            let slices = trace.slices[EngineSummary.name(of: unit)] ?? []
            let indices = profile.program.instructions.indices.filter {
                profile.program.instructions[$0].unit == unit
            }
            #expect(slices.count == indices.count && !indices.isEmpty)
            for (slice, index) in zip(slices, indices) {
                let instruction = profile.program.instructions[index]
                #expect(slice.name == instruction.opcode.name)
                #expect(slice.start == profile.timeline.start[index])
                #expect(slice.end == profile.timeline.busyEnd[index])
                #expect(slice.annotations == ["instruction": UInt64(index)])
                let line = Int(instruction.line)
                #expect(slice.place == (line == 0 ? nil : profile.program.lines[line]))
            }
        }
    }

    @Test("every stall is a slice below its unit, with its reason and its culprit")
    func stalls() throws {
        let trace = try read(profile)
        for unit in profile.units.map(\.unit) {
            let slices = trace.slices[EngineSummary.name(of: unit) + " stalls"] ?? []
            let stalls = profile.stalls.filter { $0.unit == unit }
            #expect(slices.count == stalls.count && !stalls.isEmpty)
            for (slice, stall) in zip(slices, stalls) {
                #expect(slice.name == stall.reason.name)
                #expect(slice.start == stall.start && slice.end == stall.end)
                #expect(slice.annotations["culprit"] == UInt64(stall.culprit))
                #expect((slice.annotations["another cause lasts as long"] == 1) == stall.isShared)
            }
        }
    }

    @Test("every segment of a transfer is a slice of its DMA engine, in the group of DMA engines")
    func segments() throws {
        let trace = try read(profile)
        for engine in 0..<profile.machine.dmaEngines {
            let name = "dma\(engine)"
            let range =
                profile.timeline.segmentStart[engine]..<profile.timeline.segmentStart[engine + 1]
            let segments = profile.timeline.segments[range]
            let slices = trace.slices[name] ?? []
            #expect(slices.map(\.start) == segments.map(\.start) && !segments.isEmpty)
            #expect(slices.map(\.end) == segments.map(\.end))
            #expect(
                slices.map { $0.annotations["instruction"] }
                    == segments.map { UInt64($0.instruction) })
            #expect(trace.parents[name] == TracePlan.dmaTrack)
        }
    }

    @Test("arrows lead from each producer to its consumer; a transfer's from where it ends last")
    func arrows() throws {
        let trace = try read(profile)
        var begins: [UInt64: (row: String, slice: ReportTraceReader.Slice)] = [:]
        for (row, slices) in trace.slices {
            for slice in slices {
                for flow in slice.flows {
                    #expect(begins.updateValue((row, slice), forKey: flow) == nil)
                }
            }
        }
        var waits: [[UInt64]] = []
        var triggers = 0
        for (row, slices) in trace.slices {
            for slice in slices {
                for flow in slice.terminatingFlows {
                    let removed = begins.removeValue(forKey: flow)
                    let begin = try #require(removed)
                    let producer = try #require(begin.slice.annotations["instruction"])
                    let consumer = try #require(slice.annotations["instruction"])
                    if row.hasPrefix("dma") {
                        #expect(producer == consumer)
                        triggers += 1
                        continue
                    }
                    waits.append([producer, consumer])
                    let transfer = profile.timeline.transfers.first {
                        $0.instruction == UInt32(producer)
                    }
                    #expect(begin.row.hasPrefix("dma") == (transfer != nil))
                    if let transfer { #expect(begin.slice.end == transfer.transferEnd) }
                }
            }
        }
        #expect(begins.isEmpty)
        #expect(triggers == profile.timeline.transfers.count)
        let expected = profile.program.waitReasons.map {
            [UInt64($0.producer), UInt64($0.consumer)]
        }
        #expect(Set(waits) == Set(expected) && waits.count == expected.count)
    }

    @Test("counters show memory in use and what the DMA engines moved")
    func counters() throws {
        let trace = try read(profile)
        let clock = TickClock(ticksPerSecond: profile.machine.ticksPerSecond)
        var previous = 0
        let expected = MemoryProfile(profile).samples.filter { sample in
            defer { previous = sample.psumBytes }
            return sample.psumBytes != previous
        }
        let samples = try #require(trace.counters["PSUM in use"])
        #expect(samples.map(\.value) == expected.map { Double($0.psumBytes) })
        #expect(samples.map(\.nanosecond) == expected.map { clock.split($0.time).nanosecond })
        #expect(samples.count > 1)
        let rates = try #require(trace.counters["DMA throughput"])
        var moved = 0.0
        for (sample, next) in zip(rates, rates.dropFirst()) {
            moved += sample.value * Double(next.nanosecond - sample.nanosecond)
        }
        let bytes = profile.timeline.transfers.reduce(0) {
            $0 + profile.program.transferBytes(of: Int($1.instruction))
        }
        // Parts end on ticks, the samples on whole nanoseconds.
        #expect(abs(moved - Double(bytes)) < 0.05 * Double(bytes))
    }

    @Test("what is not wanted is left out")
    func options() throws {
        let trace = try read(profile) {
            $0.includesStalls = false
            $0.includesFlows = false
            $0.includesSourceLines = false
            $0.includesCounters = false
        }
        #expect(trace.counters.isEmpty)
        #expect(!trace.rows.values.contains { $0.hasSuffix("stalls") })
        let slices = trace.slices.values.flatMap { $0 }
        #expect(slices.count == 600 + profile.timeline.segments.count)
        #expect(slices.allSatisfy { $0.flows.isEmpty && $0.terminatingFlows.isEmpty })
        #expect(slices.allSatisfy { $0.place == nil })
    }

    @Test("compressed traces are smaller, and the same on one thread and on three")
    func compression() throws {
        let one = PerfettoTrace.bytes(profile, options: options(threads: 1, level: 1))
        let three = PerfettoTrace.bytes(profile, options: options(threads: 3, level: 1))
        #expect(one == three)
        let plain = PerfettoTrace.bytes(profile, options: options(threads: 2, level: 0))
        #expect(one.count * 2 < plain.count)
        let reader = try ReportTraceReader(
            one, clock: TickClock(ticksPerSecond: profile.machine.ticksPerSecond))
        #expect(reader.compressedPackets > 40)
        #expect(reader.slices.isEmpty)
    }

    private func options(threads: Int, level: Int) -> PerfettoTrace.Options {
        var options = PerfettoTrace.Options()
        options.threads = threads
        options.compressionLevel = level
        options.slicesPerBlock = 100
        return options
    }

    @Test("rows that are cut into blocks read as those in one piece")
    func blocks() throws {
        let whole = try read(profile)
        let cut = try read(profile) { $0.slicesPerBlock = 7 }
        #expect(cut.slices == whole.slices)
        #expect(cut.counters == whole.counters)
    }

    @Test("what the sink throws ends the export")
    func failingSink() {
        struct Full: Error {}
        var blocks = 0
        #expect(throws: Full.self) {
            try PerfettoTrace.write(profile) { _ throws(Full) in
                blocks += 1
                if blocks == 3 { throw Full() }
            }
        }
        #expect(blocks == 3)
    }

    @Test("an empty program has a trace without slices")
    func empty() throws {
        #expect(
            try read(ReportFixture.profile(count: 0)).slices.values.allSatisfy { $0.count == 1 })
    }

    @Test(
        "nanosecond and remainder together are the tick, on every machine's clock",
        arguments: [4.8e9, 5.6e9, 1e9, 0.5e9, 1.337e9])
    func ticks(ticksPerSecond: Double) {
        let clock = TickClock(ticksPerSecond: ticksPerSecond)
        var previous: Int64 = -1
        for tick in Array(0..<Int64(500)) + [1 << 40, (1 << 40) + 1] {
            let (nanosecond, remainder) = clock.split(tick)
            #expect(nanosecond == Int64((Double(tick) * 1e9 / ticksPerSecond).rounded(.down)))
            #expect(clock.firstTick(of: nanosecond) + remainder == tick)
            #expect((0..<clock.remainders).contains(remainder))
            #expect(nanosecond >= previous)
            previous = nanosecond
        }
    }

    @Test(
        "messages of every length carry it in as few bytes as it needs",
        arguments: [0, 127, 128, 16_384])
    func longMessages(length: Int) throws {
        var buffer = PacketBuffer(capacity: 16)
        let outer = buffer.open(PerfettoTag.packet)
        buffer.string(PerfettoTag.Track.name, String(repeating: "x", count: length))
        buffer.varint(PerfettoTag.Track.uuid, .max)
        buffer.close(outer)
        let bytes = buffer.withBytes { Array($0) }
        let message = try #require(try ProtobufFields(bytes).messages(PerfettoTag.packet).first)
        #expect(message.text(PerfettoTag.Track.name).utf8.count == length)
        #expect(message.number(PerfettoTag.Track.uuid) == .max)
    }
}
