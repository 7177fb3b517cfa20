/// A supply network in time, driven by the current of the die.
///
/// Between two steps the current changes linearly, and for such currents the result is exact but
/// for rounding: the step is the exponential of the network's matrix, not an approximation of the
/// differential equation. Times are in nanoseconds.
///
/// The state is `z = (I_1 ... I_n, V_1 ... V_n, V_source, I_load, dI_load/dt)` with currents
/// through the inductors and voltages of the capacitors:
///
///     L_i dI_i/dt = U_(i-1) - R_i I_i - U_i,   C_i dV_i/dt = I_i - I_(i+1),
///     U_i = V_i + r_i (I_i - I_(i+1)),         U_0 = V_source,  I_(n+1) = I_load
public struct SupplySimulation: Sendable {
    /// The network.
    public let network: SupplyNetwork
    /// Nanoseconds of a step.
    public let step: Double
    /// Where energy went since the start.
    public private(set) var energy = SupplyEnergy()

    private let count: Int
    private let transition: SquareMatrix
    private let meters: Meters?
    private var state: [Double]
    private var scratch: [Double]

    /// Integrals over a step of the powers at the source, in the resistances and at the die, as
    /// quadratic forms of the state at its beginning.
    private struct Meters: Sendable {
        let source: SquareMatrix
        let loss: SquareMatrix
        let load: SquareMatrix
    }

    /// At rest with the die drawing `idleAmperes`, at its nominal voltage.
    ///
    /// - Parameters:
    ///   - step: nanoseconds.
    ///   - metersEnergy: whether to keep ``energy``, which takes about four times as long.
    public init(
        _ network: SupplyNetwork, step: Double, idleAmperes: Double, metersEnergy: Bool = false
    ) {
        self.network = network
        self.step = step
        count = network.stages.count
        let equations = Self.equations(network)
        transition = equations.scaled(by: step).exponential
        meters = metersEnergy ? Self.meters(network, equations, step: step) : nil
        state = Array(repeating: 0, count: 2 * count + 3)
        scratch = state
        var voltage = network.voltage + network.resistance * idleAmperes
        state[2 * count] = voltage
        state[2 * count + 1] = idleAmperes
        for (index, stage) in network.stages.enumerated() {
            voltage -= stage.resistance * idleAmperes
            state[index] = idleAmperes
            state[count + index] = voltage
        }
    }

    /// The voltage at the transistors.
    public var dieVoltage: Double {
        let flow = state[count - 1] - state[2 * count + 1]
        return state[2 * count - 1] + network.stages[count - 1].capacitorResistance * flow
    }

    /// What the die draws.
    public var amperes: Double { state[2 * count + 1] }

    /// What is in the inductors and capacitors, in joules.
    public var storedEnergy: Double {
        network.stages.enumerated().reduce(0) { sum, entry in
            let (index, stage) = entry
            let (current, voltage) = (state[index], state[count + index])
            return sum
                + (stage.inductance * current * current
                    + stage.capacitance * voltage * voltage) / 2
        }
    }

    /// Changes the die's current at once.
    public mutating func jump(toAmperes amperes: Double) { state[2 * count + 1] = amperes }

    /// Lets a step pass in which the die's current goes to `amperes` linearly.
    public mutating func advance(toAmperes amperes: Double) {
        state[2 * count + 2] = (amperes - state[2 * count + 1]) / step
        if let meters {
            energy.source += meters.source.quadraticForm(state)
            energy.loss += meters.loss.quadraticForm(state)
            energy.load += meters.load.quadraticForm(state)
        }
        multiply()
        // Rounding must not let the current creep.
        state[2 * count + 1] = amperes
    }

    private mutating func multiply() {
        let size = state.count
        transition.values.withUnsafeBufferPointer { matrix in
            for row in 0..<size {
                var sum = 0.0
                for column in 0..<size { sum += matrix[row * size + column] * state[column] }
                scratch[row] = sum
            }
        }
        swap(&state, &scratch)
    }
}

/// Where the energy of a supply network went, in joules.
public struct SupplyEnergy: Hashable, Codable, Sendable {
    /// Came from the regulator.
    public var source = 0.0
    /// Became heat in the network's resistances.
    public var loss = 0.0
    /// Was used by the die.
    public var load = 0.0

    public init() {}
}

extension SupplySimulation {
    /// The matrix of the differential equations, for a time in nanoseconds.
    private static func equations(_ network: SupplyNetwork) -> SquareMatrix {
        let count = network.stages.count
        let (source, load) = (2 * count, 2 * count + 1)
        var matrix = SquareMatrix(size: 2 * count + 3)
        for (index, stage) in network.stages.enumerated() {
            let perSecond = 1e-9 / stage.inductance
            matrix[index, index] -= stage.resistance * perSecond
            // The node before: the source, or the capacitor of the stage before.
            if index == 0 {
                matrix[index, source] += perSecond
            } else {
                addNode(index - 1, network, to: &matrix, row: index, factor: perSecond)
            }
            addNode(index, network, to: &matrix, row: index, factor: -perSecond)
            let perFarad = 1e-9 / stage.capacitance
            matrix[count + index, index] += perFarad
            matrix[count + index, index == count - 1 ? load : index + 1] -= perFarad
        }
        matrix[load, load + 1] = 1
        return matrix
    }

    /// Adds `factor` times the voltage behind stage `index` to a row.
    private static func addNode(
        _ index: Int, _ network: SupplyNetwork, to matrix: inout SquareMatrix, row: Int,
        factor: Double
    ) {
        let count = network.stages.count
        let next = index == count - 1 ? 2 * count + 1 : index + 1
        let resistance = network.stages[index].capacitorResistance
        matrix[row, count + index] += factor
        matrix[row, index] += factor * resistance
        matrix[row, next] -= factor * resistance
    }

    private static func meters(
        _ network: SupplyNetwork, _ equations: SquareMatrix, step: Double
    ) -> Meters {
        let count = network.stages.count
        let load = 2 * count + 1
        var source = SquareMatrix(size: equations.size)
        source[2 * count, 0] = 1
        var used = SquareMatrix(size: equations.size)
        addNode(count - 1, network, to: &used, row: load, factor: 1)
        var loss = SquareMatrix(size: equations.size)
        for (index, stage) in network.stages.enumerated() {
            let next = index == count - 1 ? load : index + 1
            let resistance = stage.capacitorResistance
            loss[index, index] += stage.resistance + resistance
            loss[next, next] += resistance
            loss[index, next] -= resistance
            loss[next, index] -= resistance
        }
        return Meters(
            source: integral(of: source, equations, step: step),
            loss: integral(of: loss, equations, step: step),
            load: integral(of: used, equations, step: step))
    }

    /// The integral of `z^T Q z` over a step as a quadratic form of the state at its beginning, in
    /// joules (Van Loan, IEEE Transactions on Automatic Control 1978).
    private static func integral(
        of form: SquareMatrix, _ equations: SquareMatrix, step: Double
    ) -> SquareMatrix {
        let size = form.size
        var block = SquareMatrix(size: 2 * size)
        for row in 0..<size {
            for column in 0..<size {
                block[row, column] = -equations[column, row] * step
                block[row, size + column] = (form[row, column] + form[column, row]) / 2 * step
                block[size + row, size + column] = equations[row, column] * step
            }
        }
        let exponential = block.exponential
        var upper = SquareMatrix(size: size)
        var lower = SquareMatrix(size: size)
        for row in 0..<size {
            for column in 0..<size {
                upper[row, column] = exponential[row, size + column]
                lower[row, column] = exponential[size + row, size + column]
            }
        }
        return (lower.transposed * upper).scaled(by: 1e-9)
    }
}
