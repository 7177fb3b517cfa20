/// How the agent of a switch runs on Linux.
public struct AgentOptions: Sendable {
    /// The file of the last plan that was in force; what is activated later is written there.
    public var planPath: String
    /// The planner's public key.
    public var planner: PlannerKey
    /// The fabric's secret, 32 bytes.
    public var secret: [UInt8]
    /// Which switch this is; nil to be what the plan in the file is for.
    public var switchID: SwitchID?
    /// What plans may demand the switch to be.
    public var identity: [UInt8]
    /// Interfaces of ports that are not named like the port: port name to interface.
    public var interfaces: [String: String]
    /// The path of the control socket; empty for none.
    public var controlPath: String
    /// Whether the kernel's tables are taken out at the end.
    public var cleansUp: Bool
    /// The real-time priority of the agent's thread, 1 to 99; 0 for none.
    public var priority: Int

    public init(
        planPath: String, planner: PlannerKey, secret: [UInt8], switchID: SwitchID? = nil,
        identity: [UInt8] = [], interfaces: [String: String] = [:], controlPath: String = "",
        cleansUp: Bool = false, priority: Int = 50
    ) {
        self.planPath = planPath
        self.planner = planner
        self.secret = secret
        self.switchID = switchID
        self.identity = identity
        self.interfaces = interfaces
        self.controlPath = controlPath
        self.cleansUp = cleansUp
        self.priority = priority
    }
}
