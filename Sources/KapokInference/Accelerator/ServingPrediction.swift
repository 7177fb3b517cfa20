public import KapokAccelerator
public import KapokModel

/// How fast a model would be served by a simulated accelerator: by one core, and by all cores of a
/// chip that share each matrix (tensor parallel).
///
/// The kernels of a pass are traced at the model's own shapes, compiled, and simulated in time; a
/// kernel that runs in each block is simulated once. A kernel begins when the one before it has
/// ended: nothing overlaps between two. No host, no sampling, no launch is counted.
public struct ServingPrediction: Hashable, Codable, Sendable {
    /// The model's name.
    public var model: String
    /// The machine's name.
    public var machine: String
    /// What weights, activations and cache are stored as.
    public var type: String
    /// What was asked for.
    public var workload: ServingWorkload
    /// Blocks of the model, and its weights.
    public var layers: Int
    public var parameters: Int
    /// What a signal from core to core costs.
    public var signalNanoseconds: Double
    /// One core.
    public var core: DevicePrediction
    /// A whole chip, each matrix shared by its cores; nil for a machine of one core.
    public var chip: DevicePrediction?
    /// One of as many copies of the model as the chip has cores, all at work; nil likewise.
    public var copy: DevicePrediction?

    /// Simulates a model.
    ///
    /// - Parameters:
    ///   - progress: is told what is being done.
    /// - Throws: ``LoweringError`` for a model or a workload that has no kernels; an error of the
    ///   compiler or the simulator when a kernel breaks a rule of the machine.
    public init(
        configuration: ModelConfiguration, machine: Machine,
        workload: ServingWorkload = ServingWorkload(), type: ElementType = .bf16,
        progress: (String) -> Void = { _ in }
    ) throws {
        try workload.check(context: configuration.contextLength)
        let decoder = try LoweredDecoder(ModelGraph(configuration))
        try decoder.check(type, on: machine)
        let cost = DecoderCost(decoder, bytes: type.byteCount)
        model = configuration.name
        self.machine = machine.description.name
        self.type = type.name
        self.workload = workload
        layers = decoder.blocks.count
        parameters = cost.parameters(isTied: configuration.tiesEmbeddings)
        var study = DeviceStudy(
            decoder: decoder, cost: cost, workload: workload,
            timing: KernelTiming(machine: machine, type: type))
        signalNanoseconds = study.signalNanoseconds
        core = try study.predict(cores: 1, active: 1, progress)
        let cores = machine.coresPerChip
        guard cores > 1 else { return }
        copy = try study.predict(cores: 1, active: cores, progress)
        chip = try study.predict(cores: cores, active: cores, progress)
    }
}

/// The predictions of a model on several numbers of cores.
private struct DeviceStudy {
    let decoder: LoweredDecoder
    let cost: DecoderCost
    let workload: ServingWorkload
    var timing: KernelTiming

    private var machine: Machine { timing.machine }

    /// A signal from core to core: a transfer without data. The machine's figures for descriptors,
    /// start, completion and semaphore.
    var signalNanoseconds: Double {
        [.descriptorTime, .dmaStartLatency, .dmaCompletionLatency, .semaphoreLatency]
            .reduce(0) { $0 + machine.value($1) }
    }

    /// - Parameters:
    ///   - cores: cores that share the model.
    ///   - active: cores of the chip that work, on this or on other copies of the model.
    mutating func predict(
        cores: Int, active: Int, _ progress: (String) -> Void
    ) throws -> DevicePrediction {
        let shares = CoreShare.all(
            of: decoder.blocks[0].shape, vocabulary: decoder.vocabulary, cores: cores)
        let memory = MemoryNeed(
            weightBytes: shares.map { cost.weightBytes(of: $0, cores: cores) }.max() ?? 0,
            cacheBytes: shares.map { cost.cacheBytes(of: $0, workload) }.max() ?? 0,
            capacityBytes: Int(machine.value(.hbmBytesPerChip)) / machine.coresPerChip)
        var prediction = DevicePrediction(
            cores: cores, coresSharingHBM: sharing(active), split: splitText(shares), memory: memory
        )
        guard memory.fits else { return prediction }
        let what = cores == 1 ? "one core" : "\(cores) cores"
        progress("Simulating the prompt on \(what)")
        prediction.prefill = try phase(
            .prompt(tokens: workload.prompt), shares, active: active)
        progress("Simulating a token on \(what)")
        prediction.decode = try phase(
            .token(sequences: workload.batch, length: workload.decodeLength), shares,
            active: active)
        return prediction
    }

    private func splitText(_ shares: [CoreShare]) -> String {
        let shape = decoder.blocks[0].shape
        guard shares.count > 1 else { return "one core computes everything" }
        let query = shares.map(\.heads.count)
        let keys = shares.map(\.keyValueHeads.count)
        func range(_ counts: [Int]) -> String {
            let (low, high) = (counts.min() ?? 0, counts.max() ?? 0)
            return low == high ? "\(low)" : "\(low) to \(high)"
        }
        var text = "query heads a core: \(range(query)) (\(shape.heads) in all); "
        text += "heads of keys: \(range(keys)) (\(shape.keyValueHeads) in all"
        let computed = keys.reduce(0, +)
        if computed > shape.keyValueHeads { text += ", \(computed) computed: copies" }
        text += "); hidden units: \(range(shares.map(\.hidden.count))); "
        text += "logits: \(range(shares.map(\.vocabulary.count))); "
        text += "norms and stream on every core"
        return text
    }

    /// Cores on a stack of HBM when so many are active.
    private func sharing(_ active: Int) -> Int {
        let stacks = max(1, Int(machine.value(.hbmStacks)))
        return (active + stacks - 1) / stacks
    }

    /// A pass: for each segment between two sums over cores, the core that takes longest.
    private mutating func phase(
        _ pass: LoweredPass, _ shares: [CoreShare], active: Int
    ) throws -> PhasePrediction {
        let cores = shares.count
        let sharing = sharing(active)
        let logits = pass.isDecoding ? pass.columns : 1
        var segments: [Int: (time: Double, kernels: [LoweredKernel])] = [:]
        var seen: Set<[PassPlan.Step]> = []
        for (index, share) in shares.enumerated() {
            let steps = PassPlan(
                decoder, pass, share: share, index: index, cores: cores, logits: logits
            ).steps
            guard seen.insert(steps).inserted else { continue }
            for (segment, members) in Dictionary(grouping: steps, by: \.segment) {
                let kernels = members.map(\.kernel)
                let time = try kernels.reduce(0) {
                    $0 + (try timing.prediction(of: $1, coresSharingHBM: sharing)).nanoseconds
                }
                if time > segments[segment]?.time ?? -1 { segments[segment] = (time, kernels) }
            }
        }
        let order = segments.keys.sorted()
        let waits = cores > 1 ? Double(order.count - 1) * signalNanoseconds : 0
        var rows: [KernelPrediction] = []
        var places: [LoweredKernel: Int] = [:]
        for kernel in order.flatMap({ segments[$0]?.kernels ?? [] }) {
            if let place = places[kernel] {
                rows[place].calls += 1
            } else {
                places[kernel] = rows.count
                rows.append(try timing.prediction(of: kernel, coresSharingHBM: sharing))
            }
        }
        return summary(
            rows, waits, cost.bound(of: pass, cores: cores, active: active, machine: machine))
    }

    private func summary(
        _ kernels: [KernelPrediction], _ waits: Double, _ bound: PhaseBound
    ) -> PhasePrediction {
        let total = kernels.reduce(waits) { $0 + $1.totalNanoseconds }
        var busy = BusyShares()
        var spent: [Bottleneck: Double] = [.synchronisation: waits]
        let rows = kernels.map { kernel in
            var row = kernel
            row.share = kernel.totalNanoseconds / total
            busy.add(kernel.busy, weight: row.share)
            spent[kernel.boundBy, default: 0] += kernel.totalNanoseconds
            return row
        }
        let most = Bottleneck.allCases.max { spent[$0, default: 0] < spent[$1, default: 0] }
        return PhasePrediction(
            nanoseconds: total, kernels: rows, boundBy: most ?? .latency, busy: busy,
            synchronisationNanoseconds: waits, bound: bound)
    }
}
