/// How one output of a kernel compares with the reference.
public struct OutputComparison: Hashable, Sendable {
    /// The output's name.
    public var name: String
    /// Elements that were compared.
    public var elements: Int
    /// The largest `|x - r|`; infinite when a result is no number.
    public var largestError: Double
    /// The largest error in units of what the bound allows there: at most 1 when all is well.
    public var largestShareOfBound: Double
    /// Where that is, row by row.
    public var worstElement: Int
    /// The bound.
    public var bound: ErrorBound

    /// Whether every element is close enough.
    public var isWithinBound: Bool { largestShareOfBound <= 1 }

    /// Compares `values` with a reference of the same length.
    ///
    /// - Precondition: equal lengths.
    public init(name: String, values: [Float], reference: [Double], bound: ErrorBound) {
        precondition(values.count == reference.count, "an output has the reference's shape")
        self.name = name
        self.bound = bound
        elements = values.count
        largestError = 0
        largestShareOfBound = 0
        worstElement = 0
        for (index, value) in values.enumerated() {
            let wanted = reference[index]
            guard Double(value) != wanted else { continue }
            let difference = abs(Double(value) - wanted)
            let error = difference.isNaN ? .infinity : difference
            let share = error / (bound.absolute + bound.relative * abs(wanted))
            largestError = max(largestError, error)
            if share > largestShareOfBound || share.isNaN {
                largestShareOfBound = share.isNaN ? .infinity : share
                worstElement = index
            }
        }
    }
}

extension LibraryKernel {
    /// Computes a program of this kernel on seeded inputs and compares its outputs with the
    /// reference, which gets the inputs as rounded to their types.
    ///
    /// - Parameters:
    ///   - program: what the compiler made of ``trace(_:on:)`` with the same arguments.
    ///   - machine: what it was compiled for.
    /// - Throws: ``ExecutionError`` when the program cannot be executed.
    public func verify(
        _ program: Program, _ arguments: KernelArguments, on machine: Machine, seed: UInt64
    ) throws(ExecutionError) -> [OutputComparison] {
        var executor = try Executor(program: program, machine: machine)
        let inputs = inputs(arguments, seed: seed)
        var stored: [String: [Double]] = [:]
        for tensor in tensors(arguments) where tensor.role == .input {
            try executor.setInput(tensor.name, values: inputs[tensor.name] ?? [])
            stored[tensor.name] = try executor.values(of: tensor.name).map(Double.init)
        }
        try executor.run()
        let expected = reference(stored, arguments)
        let bound = bound(arguments)
        var comparisons: [OutputComparison] = []
        for tensor in tensors(arguments) where tensor.role == .output {
            comparisons.append(
                OutputComparison(
                    name: tensor.name, values: try executor.values(of: tensor.name),
                    reference: expected[tensor.name] ?? [], bound: bound))
        }
        return comparisons
    }
}
