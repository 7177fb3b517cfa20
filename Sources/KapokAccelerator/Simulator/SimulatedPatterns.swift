/// What the simulator must know of a program's access patterns: for each one, which parts of the
/// core it occupies, and a number for its shape. Patterns of one shape differ in their place only,
/// so instructions on them cost the same.
struct SimulatedPatterns: ~Copyable {
    struct Entry: BitwiseCopyable {
        /// See ``StructuralResources``.
        var resources: UInt32
        /// Number of its shape; ``noShape`` stands for a missing operand.
        var shape: UInt32
    }

    static let noShape = UInt32.max

    /// Patterns.
    let count: Int
    /// By index of the pattern, and one more for a missing operand.
    private let entries: FlatBuffer<Entry>

    /// - Throws: ``SimulationError/invalidPattern(_:problem:)``.
    init(_ patterns: [AccessPattern], machine: Machine) throws(SimulationError) {
        var shapes = NumberedKeys<PatternShape>()
        count = patterns.count
        entries = FlatBuffer(
            repeating: Entry(resources: 0, shape: Self.noShape), count: patterns.count + 1)
        for (index, pattern) in patterns.enumerated() {
            if let problem = Self.problem(of: pattern) {
                throw .invalidPattern(index, problem: problem)
            }
            entries[index] = Entry(
                resources: StructuralResources.used(by: pattern, machine: machine),
                shape: UInt32(shapes.number(of: PatternShape(pattern))))
        }
    }

    /// The entry of an operand, present or not.
    ///
    /// - Parameter isInvalid: becomes true when there is no such pattern.
    @inline(__always)
    func entry(_ pattern: UInt32, _ isInvalid: inout Bool) -> Entry {
        let index = min(Int(pattern), count)
        if index == count, pattern != Instruction.noPattern { isInvalid = true }
        return entries[index]
    }

    /// Bounds that keep all arithmetic on sizes and times in range: 2^40 bytes are ten times the
    /// largest HBM.
    private static func problem(of pattern: AccessPattern) -> String? {
        var elements = Double(pattern.partitionCount)
        var span = 0.0
        func add(_ dimension: FreeDimension) {
            elements *= Double(dimension.count)
            span += Double(dimension.count) * Double(dimension.stride).magnitude
        }
        add(pattern.dimension0)
        add(pattern.dimension1)
        add(pattern.dimension2)
        add(pattern.dimension3)
        if elements == 0 { return "it covers no element" }
        let limit = 0x1p40
        if elements * 4 > limit || span * 4 > limit { return "it covers more than 2^40 bytes" }
        return nil
    }
}

/// A pattern without its place.
struct PatternShape: NumberedKey {
    private var head: UInt64
    private var dimension0: UInt64
    private var dimension1: UInt64
    private var dimension2: UInt64
    private var dimension3: UInt64

    init(_ pattern: AccessPattern) {
        head =
            UInt64(pattern.space.rawValue) | UInt64(pattern.type.rawValue) << 8
            | UInt64(pattern.partitionCount) << 16
            | UInt64(UInt32(bitPattern: pattern.partitionStride)) << 32
        dimension0 = Self.word(pattern.dimension0)
        dimension1 = Self.word(pattern.dimension1)
        dimension2 = Self.word(pattern.dimension2)
        dimension3 = Self.word(pattern.dimension3)
    }

    private static func word(_ dimension: FreeDimension) -> UInt64 {
        UInt64(dimension.count) | UInt64(UInt32(bitPattern: dimension.stride)) << 32
    }

    var hash: UInt64 {
        head.mixed(with: dimension0).mixed(with: dimension1).mixed(with: dimension2)
            .mixed(with: dimension3)
    }
}
