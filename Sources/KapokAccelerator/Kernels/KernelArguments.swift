/// What a kernel of the library is made from: each parameter, the element type and the variant.
public struct KernelArguments: Hashable, Sendable {
    /// The element type.
    public var type: ElementType
    /// The variant, by name.
    public var variant: String
    private var names: [String]
    private var values: [Int]

    /// The value of the parameter `name`.
    ///
    /// - Precondition: the kernel has that parameter.
    public subscript(_ name: String) -> Int {
        guard let place = names.firstIndex(of: name) else {
            preconditionFailure("the kernel has no parameter \(name)")
        }
        return values[place]
    }

    /// For reports: every parameter, then the type and the variant.
    public var described: [KernelParameter] {
        zip(names, values).map { KernelParameter($0, "\($1)") }
            + [KernelParameter("type", type.name), KernelParameter("step", variant)]
    }

    /// The arguments of `kernel`, with defaults where `values` is silent.
    ///
    /// - Throws: ``KernelArgumentError`` for a name or value that the kernel does not take.
    public init(
        for kernel: some LibraryKernel, _ values: [String: Int] = [:], type: ElementType? = nil,
        variant: String? = nil
    ) throws(KernelArgumentError) {
        func refuse(_ problem: String) -> KernelArgumentError {
            KernelArgumentError(kernel: kernel.name, problem: problem)
        }
        let known = kernel.parameters.map(\.name)
        for name in values.keys.sorted() where !known.contains(name) {
            throw refuse(
                "no parameter \(name); it has \(known.joined(separator: ", ")), type and step")
        }
        self.type = type ?? kernel.elementTypes.first ?? .fp32
        self.variant = variant ?? kernel.defaultVariant
        names = known
        self.values = []
        for parameter in kernel.parameters {
            let value = values[parameter.name] ?? parameter.defaultValue
            guard parameter.range.contains(value) else {
                throw refuse(
                    "\(parameter.name) = \(value), but \(parameter.meaning) is "
                        + "\(parameter.range.lowerBound) to \(parameter.range.upperBound)")
            }
            self.values.append(value)
        }
        guard kernel.elementTypes.contains(self.type) else {
            let types = kernel.elementTypes.map(\.name).joined(separator: ", ")
            throw refuse("type \(self.type.name); it takes \(types)")
        }
        guard kernel.variants.contains(where: { $0.name == self.variant }) else {
            let variants = kernel.variants.map(\.name).joined(separator: ", ")
            throw refuse("no step \(self.variant); it has \(variants)")
        }
        if let problem = kernel.problem(with: self) { throw refuse(problem) }
    }
}

/// Arguments that a kernel does not take.
public struct KernelArgumentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kernel's name.
    public var kernel: String
    /// What is wrong.
    public var problem: String

    public init(kernel: String, problem: String) {
        self.kernel = kernel
        self.problem = problem
    }

    public var description: String { "kernel \(kernel): \(problem)" }
}
