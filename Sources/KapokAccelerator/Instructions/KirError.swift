/// Why a `.kir` file or its text form could not be read: where, what is wrong, and what to do.
public struct KirError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of fault it is.
    public enum Kind: String, CaseIterable, Sendable {
        /// The input does not begin as such a file does.
        case notKir
        /// A version that this reader does not know.
        case unknownVersion
        /// The input ends too early.
        case truncated
        /// A checksum does not match.
        case checksum
        /// A field holds what no writer of this version puts there.
        case malformed
        /// A field points to a table entry that is not there.
        case reference
        /// A number above the format's bound.
        case tooLarge
        /// Text that does not follow the grammar.
        case syntax
        /// A name that stands for nothing.
        case unknownName
    }

    /// Where in the input.
    public enum Place: Hashable, Sendable {
        /// Byte of a binary file, from 0.
        case byte(Int)
        /// Line and column (in bytes) of a text file, both from 1.
        case text(line: Int, column: Int)
        /// Entry of one of the program's tables, from 0.
        case entry(table: String, index: Int)
    }

    /// What kind of fault it is.
    public var kind: Kind
    /// Where it is.
    public var place: Place
    /// What is wrong, in one sentence.
    public var problem: String
    /// What to do about it.
    public var remedy: String

    /// An error at `place`.
    public init(_ kind: Kind, at place: Place, _ problem: String, remedy: String) {
        self.kind = kind
        self.place = place
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String {
        switch place {
        case .byte(let offset): "byte \(offset): \(problem); \(remedy)"
        case .text(let line, let column): "\(line):\(column): \(problem); \(remedy)"
        case .entry(let table, let index): "\(table) \(index): \(problem); \(remedy)"
        }
    }
}
