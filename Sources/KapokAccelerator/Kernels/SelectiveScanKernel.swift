internal import Glibc
internal import KapokWorld

/// The selective scan of a state-space model (Mamba), in FP32, after the published tutorial: for
/// each channel c and state s, `h[t] = exp(delta[c,t] A[c,s]) h[t-1] + delta[c,t] u[c,t] B[s,t]`,
/// and `output[c,t]` is the sum over states of `C[s,t] h[t]`.
///
/// Layout: channels lie in partitions, time along the free dimension, where the vector engine
/// scans. `B` and `C` have no channels: the tensor engine broadcasts their rows to all partitions,
/// as a product with a column of ones. A broadcast of up to 512 steps fits a PSUM bank and is used
/// from there, at one cycle an element; a longer one has to be copied to SBUF, where the vector
/// engine takes two.
struct SelectiveScanKernel: LibraryKernel {
    let name = "scan"
    let summary = "selective scan of a state-space model"
    let parameters = [
        KernelParameterDefinition("channels", 4096, 1...65_536, "the number of channels"),
        KernelParameterDefinition("sequence", 1024, 1...8192, "the number of time steps"),
        KernelParameterDefinition("states", 16, 1...256, "the number of states"),
    ]
    let variants = [
        KernelVariant("v3", "v2 with time in tiles of 512 whose state is carried over"),
        KernelVariant("v2", "channels outside, states inside: delta and u loaded once"),
        KernelVariant("v1", "states outside, channels inside: delta and u loaded for each state"),
    ]
    let elementTypes: [ElementType] = [.fp32]

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let channels = arguments["channels"]
        let sequence = arguments["sequence"]
        let states = arguments["states"]
        func input(_ name: String, _ shape: [Int]) -> TensorDeclaration {
            TensorDeclaration(name: name, shape: shape, type: .fp32, role: .input)
        }
        return [
            input("delta", [channels, sequence]), input("u", [channels, sequence]),
            input("A", [channels, states]), input("B", [states, sequence]),
            input("C", [states, sequence]),
            TensorDeclaration(
                name: "output", shape: [channels, sequence], type: .fp32, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let channels = arguments["channels"]
        let sequence = arguments["sequence"]
        let states = arguments["states"]
        let scan = SelectiveScan(
            k: k, channels: channels, sequence: sequence, states: states,
            delta: k.input("delta", [channels, sequence], FP32.self),
            u: k.input("u", [channels, sequence], FP32.self),
            a: k.input("A", [channels, states], FP32.self),
            b: k.input("B", [states, sequence], FP32.self),
            c: k.input("C", [states, sequence], FP32.self),
            output: k.output("output", [channels, sequence], FP32.self))
        switch arguments.variant {
        case "v1": scan.statesOutside()
        case "v2": scan.channelsOutside(timeTile: sequence)
        default: scan.channelsOutside(timeTile: k.machine.movingColumns)
        }
    }

    /// Steps of 0.001 to 0.1 and decays of -4 to -0.1, as trained models have them.
    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        switch input.name {
        case "delta": stream.uniform(0.001, 0.1, count: input.elementCount)
        case "A": stream.uniform(-4, -0.1, count: input.elementCount)
        default: stream.uniform(-1, 1, count: input.elementCount)
        }
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let sequence = arguments["sequence"]
        let states = arguments["states"]
        let delta = inputs["delta"] ?? []
        let u = inputs["u"] ?? []
        let a = inputs["A"] ?? []
        let b = inputs["B"] ?? []
        let c = inputs["C"] ?? []
        var output = [Double](repeating: 0, count: delta.count)
        for channel in 0..<arguments["channels"] {
            for state in 0..<states {
                var h = 0.0
                for time in 0..<sequence {
                    let place = channel * sequence + time
                    let step = delta[place]
                    h =
                        exp(step * a[channel * states + state]) * h
                        + step * u[place] * b[state * sequence + time]
                    output[place] += c[state * sequence + time] * h
                }
            }
        }
        return ["output": output]
    }

    /// The state is a sum of inputs below 0.1 each that fade by at least exp(-0.0001) a step: at
    /// most 10 an input of full length, with one rounding a step; then a sum over the states.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let roundings = Double(arguments["states"]) * Double(min(arguments["sequence"], 1024))
        return ErrorBound(
            absolute: roundings * ElementType.fp32.roundingError,
            relative: 16 * ElementType.fp32.roundingError)
    }
}

/// A selective scan on its way.
private struct SelectiveScan {
    let k: KernelBuilder
    let channels: Int
    let sequence: Int
    let states: Int
    let delta: Tensor<FP32>
    let u: Tensor<FP32>
    let a: Tensor<FP32>
    let b: Tensor<FP32>
    let c: Tensor<FP32>
    let output: Tensor<FP32>

    /// Step v1: states outside. The sums of all channels stay in SBUF; everything else is loaded
    /// and computed again for each state.
    func statesOutside() {
        let ones = column()
        var sums: [Tile<SBUF, FP32>] = []
        k.loop("clear", over: channels, by: k.machine.partitions) { channel in
            let sum = k.sbuf("sum", [channel.count, sequence], FP32.self)
            k.vector.memset(sum, to: 0)
            sums.append(sum)
        }
        k.loop("state", 0..<states) { state in
            k.loop("channels", over: channels, by: k.machine.partitions) { channel in
                let loaded = load(channel)
                let decay = k.sbuf("decay", [channel.count, 1], FP32.self)
                k.load(into: decay, from: a[channel, state..<(state + 1)])
                add(
                    loaded, decay: decay, state: state, time: 0..<sequence, start: 0, ones,
                    to: sums[channel.index])
            }
        }
        k.loop("store", over: channels, by: k.machine.partitions) { channel in
            k.store(into: output[channel], from: sums[channel.index])
        }
    }

    /// Steps v2 and v3: channels outside; delta, u and their product are there once for all states.
    /// Time is cut into tiles inside of a state, and the state at the end of a tile is copied for
    /// the next.
    func channelsOutside(timeTile: Int) {
        let ones = column()
        k.loop("channels", over: channels, by: k.machine.partitions) { channel in
            let loaded = load(channel)
            let decays = k.sbuf("decays", [channel.count, states], FP32.self)
            k.load(into: decays, from: a[channel])
            let sum = k.sbuf("sum", [channel.count, sequence], FP32.self)
            k.vector.memset(sum, to: 0)
            k.loop("state", 0..<states) { state in
                let pieces = TileSpan.pieces(of: sequence, by: timeTile)
                let carried = k.sbuf("carried", [channel.count, 1], FP32.self)
                k.loop("time", pieces) { time in
                    let scanned = add(
                        loaded, decay: decays[.all, state..<(state + 1)], state: state,
                        time: time.range, start: time.index == 0 ? 0 : .column(carried), ones,
                        to: sum)
                    if !time.isLast {
                        k.vector.copy(into: carried, scanned[.all, (time.count - 1)...])
                    }
                }
            }
            k.store(into: output[channel], from: sum)
        }
    }

    /// What a tile of channels needs for all of its states.
    private struct Channels {
        var delta: Tile<SBUF, FP32>
        var deltaU: Tile<SBUF, FP32>
    }

    private func load(_ channel: TileSpan) -> Channels {
        let deltaTile = k.sbuf("delta", [channel.count, sequence], FP32.self)
        let uTile = k.sbuf("u", [channel.count, sequence], FP32.self)
        let deltaU = k.sbuf("deltaU", [channel.count, sequence], FP32.self)
        k.load(into: deltaTile, from: delta[channel])
        k.load(into: uTile, from: u[channel])
        k.vector.multiply(into: deltaU, deltaTile, uTile)
        return Channels(delta: deltaTile, deltaU: deltaU)
    }

    /// One state over some time: adds its part to `sum`, and returns the states.
    @discardableResult
    private func add(
        _ loaded: Channels, decay: Tile<SBUF, FP32>, state: Int, time: Range<Int>,
        start: ScalarOperand, _ ones: Tile<SBUF, FP32>, to sum: Tile<SBUF, FP32>
    ) -> Tile<SBUF, FP32> {
        let shape = [loaded.delta.partitionCount, time.count]
        let decays = k.sbuf("deltaA", shape, FP32.self)
        let inputs = k.sbuf("deltaBU", shape, FP32.self)
        let scanned = k.sbuf("scanned", shape, FP32.self)
        let parts = k.sbuf("parts", shape, FP32.self)
        k.scalar.activation(.exp, into: decays, loaded.delta[.all, time], scale: .column(decay))
        multiply(into: inputs, loaded.deltaU[.all, time], row: b[state..<(state + 1), time], ones)
        k.vector.scan(into: scanned, decay: decays, input: inputs, initial: start)
        multiply(into: parts, scanned, row: c[state..<(state + 1), time], ones)
        k.vector.add(into: sum[.all, time], sum[.all, time], parts)
        return scanned
    }

    /// `result = tile * row`, the row of one partition broadcast to all.
    private func multiply(
        into result: Tile<SBUF, FP32>, _ tile: Tile<SBUF, FP32>, row: Tensor<FP32>,
        _ ones: Tile<SBUF, FP32>
    ) {
        let count = tile.elementsPerPartition
        let partitions = tile.partitionCount
        let line = k.sbuf("row", [1, count], FP32.self)
        k.load(into: line, from: row)
        let bank = k.machine.movingColumns
        guard count > bank else {
            k.vector.multiply(into: result, tile, broadcast(line, partitions, ones))
            return
        }
        let everywhere = k.sbuf("everywhere", [partitions, count], FP32.self)
        k.loop("broadcast", over: count, by: bank) { piece in
            k.scalar.copy(
                into: everywhere[.all, piece], broadcast(line[.all, piece], partitions, ones))
        }
        k.vector.multiply(into: result, tile, everywhere)
    }

    /// A row in all partitions, in one PSUM bank.
    private func broadcast(
        _ line: Tile<SBUF, FP32>, _ partitions: Int, _ ones: Tile<SBUF, FP32>
    ) -> Tile<PSUM, FP32> {
        let result = k.psum("broadcast", [partitions, line.elementsPerPartition])
        k.tensor.matmul(into: result, stationary: ones[.all, ..<partitions], moving: line)
        return result
    }

    private func column() -> Tile<SBUF, FP32> {
        let ones = k.sbuf("ones", [1, k.machine.partitions], FP32.self)
        k.vector.memset(ones, to: 1)
        return ones
    }
}
