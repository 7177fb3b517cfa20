import CNetlink
import Glibc
import KapokLinux

/// Which interface each port of the switch is, as the kernel has it now: by name, because an
/// interface that is made anew gets another number.
struct InterfaceTable {
    /// A port's interface.
    struct Port: Hashable {
        /// The name of the interface.
        let name: String
        /// The kernel's number; nil while there is no such interface.
        var index: UInt32?
        /// Whether it is up and has a carrier.
        var isRunning = false
        /// The neighbour's hardware address; nil before it is known.
        var neighborAddress: [UInt8]?
    }

    /// What changed at a port.
    enum Change: Hashable {
        /// The carrier came or went, or the interface with it. The number is another one when
        /// `isReplaced`.
        case carrier(port: Int, isUp: Bool, isReplaced: Bool)
        /// The neighbour's hardware address is known, or is another one.
        case neighbor(port: Int)
    }

    /// The fabric ports, in order.
    private(set) var ports: [Port]
    /// The neighbour's IPv4 address at each port.
    let gateways: [UInt32]
    private var portOfName: [String: Int] = [:]
    private var portOfIndex: [UInt32: Int] = [:]

    init(names: [String], gateways: [UInt32]) {
        precondition(names.count == gateways.count)
        ports = names.map { Port(name: $0) }
        self.gateways = gateways
        for (port, name) in names.enumerated() { portOfName[name] = port }
    }

    /// The port of an interface.
    func port(ofInterface index: UInt32) -> Int? { portOfIndex[index] }

    /// Takes in what the kernel says. Returns what that changes.
    mutating func take(_ record: KernelRecord) -> Change? {
        switch record {
        case .interface(let interface): return take(interface)
        case .interfaceGone(let index):
            guard let port = portOfIndex.removeValue(forKey: index) else { return nil }
            ports[port].index = nil
            ports[port].isRunning = false
            ports[port].neighborAddress = nil
            return .carrier(port: port, isUp: false, isReplaced: true)
        case .neighbor(let neighbor):
            guard let port = portOfIndex[neighbor.interface],
                neighbor.address == gateways[port], let address = neighbor.hardwareAddress,
                address != ports[port].neighborAddress
            else { return nil }
            ports[port].neighborAddress = address
            return .neighbor(port: port)
        default: return nil
        }
    }

    private mutating func take(_ interface: InterfaceRecord) -> Change? {
        guard let port = portOfName[interface.name] else {
            // One of ours may have been renamed.
            guard let port = portOfIndex.removeValue(forKey: interface.index) else { return nil }
            ports[port].index = nil
            ports[port].isRunning = false
            return .carrier(port: port, isUp: false, isReplaced: true)
        }
        let isReplaced = ports[port].index != interface.index
        guard isReplaced || ports[port].isRunning != interface.isRunning else { return nil }
        if let old = ports[port].index, isReplaced { portOfIndex[old] = nil }
        portOfIndex[interface.index] = port
        ports[port].index = interface.index
        ports[port].isRunning = interface.isRunning
        // Switching an interface off makes the kernel forget its neighbours, lasting ones too.
        if isReplaced || !interface.isRunning { ports[port].neighborAddress = nil }
        return .carrier(port: port, isUp: interface.isRunning, isReplaced: isReplaced)
    }
}
