import Foundation

extension LabDaemons {
    /// Starts the agents of all switches.
    func startAgents() throws { throw LabFailure("agents: not yet") }
}

extension Lab {
    func agentGaps() throws -> [String] { [] }
    func agentCounters() throws -> [String: UInt64] { [:] }
}
