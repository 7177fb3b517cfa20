internal import KapokAccelerator

/// Compiles and simulates kernels in time, each shape once.
struct KernelTiming {
    let machine: Machine
    let type: ElementType
    private var known: [Key: KernelPrediction] = [:]

    private struct Key: Hashable {
        var kernel: LoweredKernel
        var coresSharingHBM: Int
    }

    init(machine: Machine, type: ElementType) {
        self.machine = machine
        self.type = type
    }

    /// A kernel's time and what it is spent on; calls and share are those of the caller to fill in.
    ///
    /// - Parameter coresSharingHBM: active cores on one stack of HBM.
    mutating func prediction(
        of kernel: LoweredKernel, coresSharingHBM: Int
    ) throws -> KernelPrediction {
        let key = Key(kernel: kernel, coresSharingHBM: coresSharingHBM)
        if let known = known[key] { return known }
        let traced = try kernel.trace(on: machine, type: type)
        let program = try Compiler(machine: machine, options: Self.options(traced)).compile(traced)
            .program
        let profile = try Profiler(machine: machine).profile(
            program, options: SimulationOptions(coresSharingHBM: coresSharingHBM))
        let busy = Self.busy(profile)
        let prediction = KernelPrediction(
            name: kernel.name, shape: kernel.shapeText, calls: 1,
            nanoseconds: machine.nanoseconds(ticks: profile.timeline.makespan), share: 0,
            boundBy: busy.bottleneck, busy: busy,
            hbmBytes: profile.metrics.hbmReadBytes + profile.metrics.hbmWrittenBytes,
            operations: profile.metrics.modelFLOPs, instructions: program.instructions.count)
        known[key] = prediction
        return prediction
    }

    /// The search for a good order gets the compiler's own budget; it is cut for very long kernels.
    private static func options(_ kernel: TracedKernel) -> CompilerOptions {
        var options = CompilerOptions()
        if kernel.instructions.count > 100_000 { options.maximumCandidates = 4 }
        return options
    }

    private static func busy(_ profile: Profile) -> BusyShares {
        let makespan = Double(max(1, profile.timeline.makespan))
        func share(_ unit: Unit) -> Double {
            let usage = profile.units.first { $0.unit == unit }
            return Double(usage?.busy ?? 0) / makespan
        }
        return BusyShares(
            tensor: max(share(.tensorMultiply), share(.tensorLoad)), vector: share(.vector),
            scalar: share(.scalar), gpsimd: share(.gpsimd),
            memory: profile.metrics.dmaEngineUtilisation)
    }
}

extension LoweredKernel {
    /// Its shape for tables.
    var shapeText: String {
        switch self {
        case .embedding(let kernel): return "\(kernel.tokens) x \(kernel.width)"
        case .block(let kernel):
            let shape = kernel.shape
            var parts = ["\(kernel.tokens) tokens"]
            if shape.heads > 0 { parts.append("\(shape.heads)/\(shape.keyValueHeads) heads") }
            if kernel.stages.contains(.feedForward) { parts.append("hidden \(shape.hidden)") }
            if kernel.stages.contains(.projections), !shape.isRotated { parts.append("unturned") }
            return parts.joined(separator: ", ")
        case .attention(let call):
            let heads = "\(call.heads)/\(call.keyValueHeads) heads of \(call.headWidth)"
            guard let sequences = call.sequences else { return "\(call.length) tokens, \(heads)" }
            return "\(sequences) x \(call.length) positions, \(heads)"
        case .head(let kernel): return "\(kernel.tokens) x \(kernel.vocabulary)"
        case .allReduce(let kernel):
            return "\(kernel.rows) x \(kernel.tokens) from \(kernel.cores)"
        }
    }
}
