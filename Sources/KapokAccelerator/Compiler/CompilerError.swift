/// Why a kernel cannot be compiled: where, what, and what the author can do about it.
public struct CompilerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Kind: String, CaseIterable, Sendable {
        /// The record of the kernel contradicts itself (an index out of range, an overlong
        /// pattern).
        case malformedKernel
        /// Tiles that must live at the same time do not fit into SBUF.
        case outOfSBUF
        /// Tiles that must live at the same time do not fit into PSUM.
        case outOfPSUM
        /// A matrix multiplication writes across the border of a PSUM bank.
        case crossesBank
        /// A tile is read before anything was written to it.
        case uninitialisedRead
        /// A multiplication has no stationary matrix.
        case noStationaryMatrix
        /// More engines trigger transfers than the machine has DMA rings.
        case tooFewRings
        /// No program could be simulated: a fault of the compiler, or limits that leave it no
        /// choice.
        case notSimulated
    }

    /// What went wrong.
    public var kind: Kind
    /// The author's line; nil when the kernel does not tell.
    public var line: SourceLine?
    /// What is wrong, with figures.
    public var problem: String
    /// What the author can do.
    public var remedy: String

    public init(kind: Kind, line: SourceLine?, problem: String, remedy: String) {
        self.kind = kind
        self.line = line
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String {
        let place = line.map { "\($0.file):\($0.line): " } ?? ""
        return "\(place)\(problem). \(remedy)"
    }
}
