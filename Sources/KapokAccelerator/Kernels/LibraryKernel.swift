public import KapokWorld

/// A kernel of the library: what it computes, for which shapes and types, how, and how to check it.
///
/// One file a kernel, one value in ``KernelLibrary/all``.
public protocol LibraryKernel: Sendable {
    /// The name on the command line.
    var name: String { get }
    /// One line for people.
    var summary: String { get }
    /// Its whole-number parameters, in the order of the command line.
    var parameters: [KernelParameterDefinition] { get }
    /// Ways to compute the same, the default one first; at least one.
    var variants: [KernelVariant] { get }
    /// Element types that it can work on, the default one first.
    var elementTypes: [ElementType] { get }

    /// What is wrong with arguments that are each in their range; nil when nothing is.
    func problem(with arguments: KernelArguments) -> String?
    /// Its inputs and outputs, in the order in which it declares them.
    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration]
    /// The kernel itself.
    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type)
    /// Values for an input, before they are rounded to its type. The default is uniform in -1 to 1.
    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float]
    /// The outputs by name, computed in double precision from the inputs by name (each row by row).
    func reference(_ inputs: [String: [Double]], _ arguments: KernelArguments) -> [String: [Double]]
    /// How far the kernel's outputs may be from the reference's.
    func bound(_ arguments: KernelArguments) -> ErrorBound
}

extension LibraryKernel {
    /// Nothing is wrong.
    public func problem(with arguments: KernelArguments) -> String? { nil }

    /// Uniform from -1 to 1.
    public func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        stream.uniform(-1, 1, count: input.elementCount)
    }

    /// The variant that is taken when none is named.
    public var defaultVariant: String { variants.first?.name ?? "" }

    /// Traces the kernel.
    ///
    /// - Throws: all problems that the trace found.
    public func trace(
        _ arguments: KernelArguments, on machine: Machine
    ) throws(TraceError) -> TracedKernel {
        let tag: any MatrixElement.Type = arguments.type.matrixTag ?? FP32.self
        return try TracedKernel.trace(name, on: machine, parameters: arguments.described) { k in
            build(k, arguments, tag)
        }
    }

    /// Values for all inputs by name, before they are rounded to their types: equal for equal
    /// seeds.
    public func inputs(_ arguments: KernelArguments, seed: UInt64) -> [String: [Float]] {
        var result: [String: [Float]] = [:]
        let seeds = RandomStream(seed: seed)
        let inputs = tensors(arguments).filter { $0.role == .input }
        for (index, input) in inputs.enumerated() {
            var stream = seeds.split(UInt64(index))
            result[input.name] = values(for: input, arguments, from: &stream)
        }
        return result
    }
}

/// A whole-number parameter of a kernel.
public struct KernelParameterDefinition: Hashable, Sendable {
    /// The name on the command line.
    public var name: String
    /// What it is when it is not given.
    public var defaultValue: Int
    /// What it may be.
    public var range: ClosedRange<Int>
    /// What it means.
    public var meaning: String

    public init(_ name: String, _ defaultValue: Int, _ range: ClosedRange<Int>, _ meaning: String) {
        self.name = name
        self.defaultValue = defaultValue
        self.range = range
        self.meaning = meaning
    }
}

/// One way to compute what a kernel computes: a step of a tutorial, or the best known.
public struct KernelVariant: Hashable, Sendable {
    /// The name on the command line: `v2`, `tuned`.
    public var name: String
    /// What it does differently.
    public var summary: String

    public init(_ name: String, _ summary: String) {
        self.name = name
        self.summary = summary
    }
}

/// How far a result may be from the reference: `|x - r| <= absolute + relative * |r|`.
public struct ErrorBound: Hashable, Sendable {
    /// What is allowed of an error whatever the reference, in units of the output.
    public var absolute: Double
    /// What is allowed beside it, of the reference's magnitude.
    public var relative: Double

    public init(absolute: Double, relative: Double) {
        self.absolute = absolute
        self.relative = relative
    }

    /// Whether `value` is close enough to `reference`.
    public func allows(_ value: Double, reference: Double) -> Bool {
        if value == reference { return true }
        return abs(value - reference) <= absolute + relative * abs(reference)
    }
}

extension ElementType {
    /// The largest relative error of rounding a number in range to this type, to nearest: half a
    /// unit in the last place. Zero for integers.
    var roundingError: Double {
        switch self {
        case .fp32: 0x1p-24
        case .tf32, .fp16: 0x1p-11
        case .bf16: 0x1p-8
        case .fp8e4m3, .fp8e4m3fn: 0x1p-4
        case .fp8e5m2: 0x1p-3
        case .fp8e3m4: 0x1p-5
        case .int32, .uint32, .int16, .uint16, .int8, .uint8: 0
        }
    }
}

extension ElementType {
    /// The distance between its numbers next to zero: the absolute error of rounding tiny numbers
    /// is half of it. Zero for integers.
    var smallestStep: Double {
        switch self {
        case .fp32: 0x1p-149
        case .tf32: 0x1p-136
        case .bf16: 0x1p-133
        case .fp16: 0x1p-24
        case .fp8e4m3, .fp8e4m3fn: 0x1p-9
        case .fp8e5m2: 0x1p-16
        case .fp8e3m4: 0x1p-6
        case .int32, .uint32, .int16, .uint16, .int8, .uint8: 0
        }
    }
}

extension RandomStream {
    /// `count` numbers, uniform from `low` up to but not including `high`, from 24 random bits
    /// each.
    mutating func uniform(_ low: Float, _ high: Float, count: Int) -> [Float] {
        (0..<count).map { _ in
            low + (high - low) * Float(next() >> 40) * 0x1p-24
        }
    }
}
