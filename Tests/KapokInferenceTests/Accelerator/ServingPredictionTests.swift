import KapokAccelerator
import KapokModel
import Testing

@testable import KapokInference

@Suite("Predicting TTFT and TPOT on the accelerator")
struct ServingPredictionTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    /// A model with the heads of SmolLM2, but narrower ones.
    private static let model: RandomDecoder = {
        var model = RandomDecoder(layers: 4)
        (model.width, model.hidden, model.vocabulary) = (288, 512, 1024)
        (model.heads, model.keyValueHeads, model.headWidth) = (9, 3, 32)
        return model
    }()

    /// - Parameter cores: cores of the chip; 1 predicts for a single core only.
    private func predict(
        _ workload: ServingWorkload = ServingWorkload(prompt: 64, generate: 64),
        layers: Int = 4, cores: Double = 8, memory: Double? = nil
    ) throws -> ServingPrediction {
        var model = Self.model
        model.layers = layers
        var description = machine.description.setting(
            .coresPerChip, to: cores, source: "a test", confidence: .assumed)
        if let memory {
            description = description.setting(
                .hbmBytesPerChip, to: memory, source: "a test", confidence: .assumed)
        }
        return try ServingPrediction(
            configuration: model.configuration, machine: Machine(description),
            workload: workload)
    }

    private func phases(_ prediction: ServingPrediction) -> [PhasePrediction] {
        [prediction.core, prediction.chip, prediction.copy].compactMap(\.self)
            .flatMap { [$0.prefill, $0.decode].compactMap(\.self) }
    }

    @Test(
        "no prediction is below what operations and bytes take at the peak rates",
        arguments: [
            ServingWorkload(prompt: 1, generate: 1),
            ServingWorkload(prompt: 130, generate: 2, batch: 32),
        ])
    func bounds(workload: ServingWorkload) throws {
        let prediction = try predict(workload)
        #expect(phases(prediction).count == 6)
        for phase in phases(prediction) {
            #expect(phase.nanoseconds > phase.bound.nanoseconds)
            let kernels = phase.kernels.reduce(0) { $0 + $1.totalNanoseconds }
            #expect(
                abs(kernels + phase.synchronisationNanoseconds - phase.nanoseconds)
                    < 1e-6 * phase.nanoseconds)
            for kernel in phase.kernels {
                let busy = kernel.busy
                let shares = [busy.tensor, busy.vector, busy.scalar, busy.gpsimd, busy.memory]
                #expect(shares.allSatisfy { (0...1).contains($0) })
            }
        }
    }

    @Test("the kernels of one core compute the operations of the graph, and read all its weights")
    func work() throws {
        let core = try predict(cores: 1).core
        for phase in [core.prefill, core.decode].compactMap(\.self) {
            let operations = phase.kernels.reduce(0) { $0 + $1.operations * Double($1.calls) }
            let bytes = phase.kernels.reduce(0) { $0 + $1.hbmBytes * Int64($1.calls) }
            #expect(operations >= phase.bound.operations)
            #expect(Double(bytes) >= phase.bound.hbmBytes)
        }
        // Beside the matrices there are norms, rotations and what is masked inside of a tile: a
        // decoded token computes little more than the graph says.
        let decode = try #require(core.decode)
        let bytes = decode.kernels.reduce(0) { $0 + $1.hbmBytes * Int64($1.calls) }
        #expect(Double(bytes) < 1.1 * decode.bound.hbmBytes)
    }

    @Test("the bound is the graph's own count")
    func count() throws {
        let prediction = try predict(
            ServingWorkload(prompt: 10, generate: 2, batch: 3), cores: 1)
        let block = 288 * (2 * 12 * 32 + 3 * 512)
        #expect(prediction.parameters == 4 * block + 288 * 1024)
        let prompt = try #require(prediction.core.prefill).bound
        // Position 10 sees 10 positions, position 1 one: 55 in all.
        #expect(
            prompt.operations
                == Double(2 * (10 * 4 * block + 288 * 1024) + 4 * 288 * 4 * 55))
        let token = try #require(prediction.core.decode).bound
        let cache = 4 * 2 * 96 * 3 * 11
        #expect(token.hbmBytes == Double(2 * (4 * block + 288 * 1024 + cache + 3 * 288)))
        #expect(prompt.computeNanoseconds == prompt.operations / 78_643.2)
        // 16 DMA engines of 23 bytes/ns: less than half of a stack.
        #expect(abs(token.memoryNanoseconds - token.hbmBytes / 368) < 1e-6)
    }

    @Test("more blocks, longer prompts, more sequences and longer caches take longer")
    func monotonic() throws {
        let once = try predict(cores: 1)
        let blocks = try predict(layers: 8, cores: 1)
        let prompt = try predict(ServingWorkload(prompt: 448, generate: 64), cores: 1)
        let batch = try predict(ServingWorkload(prompt: 64, generate: 64, batch: 16), cores: 1)
        func ttft(_ prediction: ServingPrediction) -> Double {
            prediction.core.prefill?.nanoseconds ?? .nan
        }
        func tpot(_ prediction: ServingPrediction) -> Double {
            prediction.core.decode?.nanoseconds ?? .nan
        }
        // The head and the edges stay; blocks double.
        #expect((1.7...2).contains(ttft(blocks) / ttft(once)))
        // Of 7 times the tokens: attention takes up to 49 times as long, weights are read once.
        #expect((1.5...6).contains(ttft(prompt) / ttft(once)))
        #expect(tpot(prompt) > tpot(once))
        #expect((1...16).contains(tpot(batch) / tpot(once)))
    }

    @Test("on several cores each sum is a kernel between two signals")
    func sums() throws {
        let prediction = try predict()
        let chip = try #require(prediction.chip)
        let decode = try #require(chip.decode)
        let reduce = try #require(decode.kernels.first { $0.name == "all-reduce" })
        #expect(reduce.calls == 2 * 4)
        #expect(decode.synchronisationNanoseconds == Double(4 * 4) * prediction.signalNanoseconds)
        #expect(prediction.signalNanoseconds == 604 + 1300 + 100 + 36)
        // The busiest core has two of nine query heads.
        let attention = try #require(decode.kernels.first { $0.name == "attention-decode" })
        #expect(attention.shape.contains("2/1 heads of 32"))
        #expect(chip.split.contains("1 to 2 (9 in all)") && chip.split.contains("8 computed"))
        #expect(chip.coresSharingHBM == 2 && prediction.core.coresSharingHBM == 1)
    }

    @Test("a model that is too large for a core's HBM is reported, and predicted for the chip")
    func tooLarge() throws {
        // 6.5 million bytes of weights; a core has an eighth of 32 million.
        let prediction = try predict(ServingWorkload(prompt: 4, generate: 8), memory: 32e6)
        #expect(!prediction.core.memory.fits && prediction.core.prefill == nil)
        #expect(prediction.core.memory.capacityBytes == 4_000_000)
        #expect(prediction.core.memory.weightBytes == 2 * prediction.parameters + 2 * 288 * 1024)
        #expect(prediction.copy?.memory.fits == false && prediction.copy?.decode == nil)
        #expect(prediction.chip?.memory.fits == true && prediction.chip?.decode != nil)
    }

    @Test("workloads beyond the model or the kernels are refused")
    func refusals() throws {
        for workload in [
            ServingWorkload(prompt: 0), ServingWorkload(generate: 0), ServingWorkload(batch: 0),
            ServingWorkload(batch: 129), ServingWorkload(prompt: 500, generate: 13),
            ServingWorkload(prompt: .max, generate: 1),
        ] {
            #expect(throws: LoweringError.self) {
                try ServingPrediction(
                    configuration: Self.model.configuration, machine: machine, workload: workload)
            }
        }
    }

    @Test(
        "a machine that the kernels are not cut for is refused with its sizes",
        arguments: [
            (MachineParameter.tensorRows, 64.0), (.partitions, 64), (.stationaryColumns, 64),
            (.movingColumns, 256),
        ])
    func otherMachines(parameter: MachineParameter, value: Double) throws {
        let description = machine.description.setting(
            parameter, to: value, source: "a test", confidence: .assumed)
        let error = #expect(throws: LoweringError.self) {
            try ServingPrediction(
                configuration: Self.model.configuration, machine: Machine(description),
                workload: ServingWorkload(prompt: 4, generate: 4))
        }
        #expect(error?.what.contains("\(Int(value)) ") == true)
    }

    @Test("equal wishes give equal predictions")
    func deterministic() throws {
        let workload = ServingWorkload(prompt: 4, generate: 4)
        #expect(try predict(workload, cores: 1) == predict(workload, cores: 1))
    }
}
