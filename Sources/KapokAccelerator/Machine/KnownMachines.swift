extension MachineDescription {
    /// The machines that come with Kapok.
    public static let known: [MachineDescription] = [.trainium1, .trainium2, .trainium2DataSheet]

    /// The known machine of that name; nil when there is none.
    public static func named(_ name: String) -> MachineDescription? {
        known.first { $0.name == name }
    }

    private static let guide = "NKI guide, Trainium2 architecture"
    private static let guide1 = "NKI guide, Trainium/Inferentia2 architecture"
    private static let chipPage = "Neuron documentation, Trainium2 chip page"
    private static let instructionPages = "NKI instruction reference (nki.isa), 2024 pages"

    /// One core of Trainium2 (NeuronCore-v3), with the clocks of the programming guide.
    public static let trainium2 = MachineDescription(
        name: "trn2", title: "Trainium2, one NeuronCore-v3, clocks of the programming guide",
        generation: 3,
        facts: [
            MachineFact(.coresPerChip, 8, source: guide, confidence: .documented),
            MachineFact(
                .tickRate, 4.8,
                source: "smallest base that holds 2.4, 1.2 and 0.96 GHz: 2, 4 and 5 ticks",
                confidence: .derived),
            MachineFact(.tensorClock, 2.4, source: guide, confidence: .documented),
            MachineFact(.vectorClock, 0.96, source: guide, confidence: .documented),
            MachineFact(.scalarClock, 1.2, source: guide, confidence: .documented),
            MachineFact(.gpsimdClock, 1.2, source: guide, confidence: .documented),
            MachineFact(
                .syncClock, 1.2, source: "not published; as the scalar engine",
                confidence: .assumed),
            MachineFact(.sbufBytesPerPartition, 229_376, source: guide, confidence: .documented),
            MachineFact(.tensorFP32Passes, 4, source: guide, confidence: .documented),
            MachineFact(
                .dmaBandwidth, 23, source: "Neuron documentation, DMA bandwidth guide",
                confidence: .documented),
            MachineFact(
                .hbmBytesPerChip, 96 * 1_073_741_824, source: chipPage, confidence: .documented),
            MachineFact(.hbmBandwidthPerChip, 2900, source: chipPage, confidence: .documented),
            MachineFact(.hbmStacks, 4, source: chipPage, confidence: .documented),
            MachineFact(
                .peakBF16, 78.6432, source: "128 x 128 x 2 x 2.4 GHz; guide: 79",
                confidence: .derived),
            MachineFact(
                .peakFP8, 157.2864, source: "twice BF16; guide: 158", confidence: .derived),
            MachineFact(
                .peakFP32, 19.6608, source: "a quarter of BF16; guide: 20", confidence: .derived),
        ] + shared)

    /// Trainium2 with the peak rates of the chip's data sheet. Timing is the same; only the base of
    /// the utilisation figures differs. The two sets are never mixed.
    public static let trainium2DataSheet: MachineDescription = {
        var sheet = trainium2
        sheet.name = "trn2-sheet"
        sheet.title = "Trainium2, one NeuronCore-v3, peak rates of the chip page over 8 cores"
        let source = "chip page: 667 / 1299 / 181 TFLOPS over 8 cores"
        return
            sheet
            .setting(.peakBF16, to: 83.375, source: source, confidence: .derived)
            .setting(.peakFP8, to: 162.375, source: source, confidence: .derived)
            .setting(.peakFP32, to: 22.625, source: source, confidence: .derived)
    }()

    /// One core of Trainium1 (NeuronCore-v2).
    public static let trainium1 = MachineDescription(
        name: "trn1", title: "Trainium1, one NeuronCore-v2", generation: 2,
        facts: [
            MachineFact(.coresPerChip, 2, source: guide1, confidence: .documented),
            MachineFact(
                .tickRate, 5.6, source: "smallest base that holds 2.8, 1.4 and 1.12 GHz",
                confidence: .derived),
            MachineFact(.tensorClock, 2.8, source: guide1, confidence: .documented),
            MachineFact(.vectorClock, 1.12, source: guide1, confidence: .documented),
            MachineFact(.scalarClock, 1.4, source: guide1, confidence: .documented),
            MachineFact(.gpsimdClock, 1.4, source: guide1, confidence: .documented),
            MachineFact(
                .syncClock, 1.4, source: "not published; as the scalar engine",
                confidence: .assumed),
            MachineFact(.sbufBytesPerPartition, 196_608, source: guide1, confidence: .documented),
            MachineFact(.tensorFP32Passes, 4, source: guide1, confidence: .documented),
            MachineFact(
                .dmaBandwidth, 17, source: "Neuron documentation, DMA bandwidth guide",
                confidence: .documented),
            MachineFact(
                .hbmBytesPerChip, 32 * 1_073_741_824, source: guide1, confidence: .documented),
            MachineFact(.hbmBandwidthPerChip, 820, source: guide1, confidence: .documented),
            MachineFact(.hbmStacks, 2, source: guide1, confidence: .documented),
            MachineFact(
                .peakBF16, 91.7504, source: "128 x 128 x 2 x 2.8 GHz", confidence: .derived),
            MachineFact(.peakFP8, 91.7504, source: "as BF16", confidence: .documented),
            MachineFact(
                .peakFP32, 22.9376, source: "a quarter of BF16", confidence: .derived),
        ] + shared)

    /// What the two generations have in common.
    private static let shared: [MachineFact] = [
        MachineFact(.partitions, 128, source: guide1, confidence: .documented),
        MachineFact(.psumBytesPerPartition, 16_384, source: guide1, confidence: .documented),
        MachineFact(.psumBanks, 8, source: guide1, confidence: .documented),
        MachineFact(.stationaryColumns, 128, source: guide1, confidence: .documented),
        MachineFact(.movingColumns, 512, source: guide1, confidence: .documented),
        MachineFact(.tensorRows, 128, source: guide1, confidence: .documented),
        MachineFact(.tensorMinimumInterval, 64, source: guide1, confidence: .documented),
        MachineFact(.stationaryLoadSpeedup, 4, source: guide1, confidence: .documented),
        MachineFact(
            .tensorResultLatency, 64, source: "access to PSUM, about 60 cycles in the guide",
            confidence: .derived),
        MachineFact(
            .engineMinimumInterval, 64, source: instructionPages, confidence: .documented),
        MachineFact(
            .engineFixedCycles, 60,
            source: "start of an access to SBUF or PSUM, about 60 cycles; guide (v2)",
            confidence: .documented),
        MachineFact(
            .engineResultLatency, 100,
            source: "guide: about 100 cycles static when small or dependent",
            confidence: .documented),
        MachineFact(
            .scalarResultLatency, 150,
            source: "published chain of dependent activations: 264 cycles an instruction",
            confidence: .calibrated),
        MachineFact(.gpsimdStart, 150, source: instructionPages, confidence: .documented),
        MachineFact(
            .accumulatorReadCycles, 64, source: instructionPages, confidence: .documented),
        MachineFact(
            .semaphoreLatency, 36,
            source: "rest of the published chain of dependent activations",
            confidence: .calibrated),
        MachineFact(.semaphoreCount, 256, source: "not published", confidence: .assumed),
        MachineFact(.dmaEngines, 16, source: guide1, confidence: .documented),
        MachineFact(.dmaRings, 16, source: guide1, confidence: .documented),
        MachineFact(
            .dmaPacketOverhead, 6,
            source: "packet times of the published matmul profiles: 1280 bytes in 62 ns",
            confidence: .derived),
        MachineFact(
            .dmaMaximumPacket, 65_536, source: "not published", confidence: .assumed),
        MachineFact(
            .dmaStartLatency, 1300,
            source: "guide: about 1300 ns from the semaphore to the start of a transfer",
            confidence: .documented),
        MachineFact(
            .dmaCompletionLatency, 100, source: "not published", confidence: .assumed),
        MachineFact(.dmaTriggerCycles, 64, source: "not published", confidence: .assumed),
        MachineFact(
            .descriptorEngines, 2, source: "DGE guide: two a core, for sync and for scalar",
            confidence: .documented),
        MachineFact(
            .descriptorTime, 604,
            source: "tutorial matmul, step v2; the DGE guide says about 600 ns",
            confidence: .calibrated),
        MachineFact(
            .dmaTransposeFraction, 0.9, source: "guide: at most 90 % of the throughput",
            confidence: .documented),
    ]
}
