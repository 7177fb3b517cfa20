/// Wiring plans in other people's formats.
public enum WiringDocument {
    /// Why a wiring plan is refused.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// The line, counted from 1; 0 when it is about the whole.
        public var line: Int
        /// What is wrong there, and what would be right.
        public var reason: String

        public init(line: Int, reason: String) {
            self.line = line
            self.reason = reason
        }

        public var description: String { line > 0 ? "line \(line): \(reason)" : reason }
    }

    /// Reads a PTM `topology.dot` (an undirected Graphviz graph whose edges are
    /// `"switch":"port" -- "switch":"port"`).
    public static func graph(fromDOT bytes: [UInt8]) throws(Refusal) -> GraphTopology {
        throw Refusal(line: 0, reason: "not read yet")
    }
}
