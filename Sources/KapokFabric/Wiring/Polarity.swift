/// How the fibres of a trunk cross, so that each transmitter meets a receiver (TIA-568.3, methods
/// A, B and C), here for connectors of 16 fibres: eight duplex ports each. A trunk of 16 links has
/// two such connectors.
public enum PolarityMethod: String, Hashable, Sendable, CaseIterable {
    /// A straight trunk; the patch cords of one end do not cross.
    case a = "A"
    /// A reversed trunk: fibre 1 arrives as fibre 16, so ports arrive in reverse order.
    case b = "B"
    /// A trunk with its pairs crossed.
    case c = "C"

    /// Fibres of a connector.
    public static let fibres = 16

    /// Where a fibre of one end arrives at the other, both counted from 0.
    public func farFibre(_ fibre: Int) -> Int {
        switch self {
        case .a: fibre
        case .b: Self.fibres - 1 - fibre
        case .c: fibre ^ 1
        }
    }

    /// The patch cords that belong to it.
    public var cords: (near: PatchCord, far: PatchCord) {
        self == .a ? (.crossed, .straight) : (.crossed, .crossed)
    }

    /// The port at the far panel that a port (lane) of the near panel leads to, with the cords of
    /// the method. Lanes 8 to 15 belong to the second connector.
    public func farLane(_ lane: Int) -> Int {
        let port = lane & 7
        return lane & ~7 | farFibre(2 * port) / 2
    }

    /// Follows the light of every transmitter of one connector, in both directions: the far port of
    /// each near port, or nil when some transmitter meets a transmitter, or the two directions of a
    /// port end at different ports.
    public func farPorts(near: PatchCord, far: PatchCord) -> [Int]? {
        var ports: [Int] = []
        for port in 0..<Self.fibres / 2 {
            let there = follow(port: port, from: near, to: far)
            guard there.position == 1 else { return nil }
            // All mappings are their own inverse, so the way back uses the same trunk.
            let back = follow(port: there.port, from: far, to: near)
            guard back.position == 1, back.port == port else { return nil }
            ports.append(there.port)
        }
        return ports
    }

    /// The light of a transmitter (position 0 of a duplex port) at the far device.
    private func follow(port: Int, from near: PatchCord, to far: PatchCord)
        -> (port: Int, position: Int)
    {
        let fibre = farFibre(2 * port + near.map(0))
        return (fibre / 2, far.map(fibre % 2))
    }
}

/// A duplex patch cord.
public enum PatchCord: Hashable, Sendable, CaseIterable {
    /// A to B: position 1 of one end is position 2 of the other.
    case crossed
    /// A to A.
    case straight

    func map(_ position: Int) -> Int { self == .crossed ? 1 - position : position }
}
