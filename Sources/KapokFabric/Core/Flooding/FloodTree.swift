/// The ways by which news about a link travels: who is told, and by whom.
///
/// In a Clos network each piece of news has two copies, over ways that share as little as the
/// network allows, from the two ends of the link; every switch whose choice may depend on the link
/// is on both.
///
/// * A **lower** link (edge e, aggregation a): copy 0 starts at the aggregation switch and runs
///   through plane a: its other edge switches and its cores, from each core to its share of the
///   other pods, from their aggregation switch a to their edge switches. Copy 1 starts at the edge
///   switch and does the same through the next plane b, and edge switch 0 of each other pod hands
///   it to aggregation switch a, the sibling of e to the pod's own, from which the cores get it.
/// * An **upper** link (aggregation a of a pod, core c): only aggregation switches a of the other
///   pods choose between cores. Copy 0 starts at the core, copy 1 at the aggregation switch and
///   goes through the next core.
///
/// In a graph news goes out of all ports but the one it came by; whoever knows it stops it.
public struct FloodTree: Sendable {
    /// The fabric.
    public let fabric: Fabric

    public init(_ fabric: Fabric) { self.fabric = fabric }

    /// Copies that news about a link travels in: 2 in a Clos network, 1 in a graph.
    public var copyCount: Int {
        switch fabric {
        case .clos: 2
        case .graph: 1
        }
    }

    /// Which copy the switch at one end of a link starts. Both ends see a link fail; each starts
    /// its own copy. In a graph both start copy 0.
    public func originCopy(of link: LinkID, at id: SwitchID) -> Int {
        guard case .clos(let clos) = fabric else { return 0 }
        let (lower, upper) = clos.ends(of: link)
        // Copy 0 starts above, copy 1 below.
        precondition(id == lower.owner || id == upper.owner)
        return id == upper.owner ? 0 : 1
    }

    /// Appends the ports by which switch `id` passes on copy `copy` of news about `link` that came
    /// in by `arrival` (nil at the switch that starts it).
    public func appendRelays(
        of link: LinkID, copy: Int, at id: SwitchID, arrival: Int?, into ports: inout [Int]
    ) {
        switch fabric {
        case .graph(let graph):
            for port in graph.neighbors[id.index].indices
            where port != arrival && graph.neighbors[id.index][port].link != link {
                ports.append(port)
            }
        case .clos(let clos):
            let at = clos.position(of: id)
            switch clos.kind(of: link) {
            case .lower(let plane, let pod, let edge, let aggregation):
                guard plane == at.plane else { return }
                let cause = Lower(pod: pod, edge: edge, aggregation: aggregation)
                if copy == 0 {
                    Self.appendFirst(cause, at, arrival, clos.shape, &ports)
                } else {
                    Self.appendSecond(cause, at, arrival, clos.shape, &ports)
                }
            case .upper(let plane, let pod, let aggregation, let core):
                guard plane == at.plane, at.group == aggregation else { return }
                Self.appendUpper((pod, core), copy: copy, at, clos.shape, &ports)
            }
        }
    }

    private struct Lower {
        var pod: Int
        var edge: Int
        var aggregation: Int
    }

    /// Copy 0 of a lower link: through plane `aggregation`.
    private static func appendFirst(
        _ cause: Lower, _ at: ClosPosition, _ arrival: Int?, _ shape: ClosShape,
        _ ports: inout [Int]
    ) {
        guard at.group == cause.aggregation else { return }
        switch at.tier {
        case .edge: return
        case .aggregation where at.pod == cause.pod:
            for port in 0..<shape.edgesPerPod where port != cause.edge { ports.append(port) }
            ports.append(contentsOf: cores(shape))
        case .aggregation:
            ports.append(contentsOf: 0..<shape.edgesPerPod)
        case .core:
            appendShare(of: at.member, except: cause.pod, shape, &ports)
        }
    }

    /// Copy 1 of a lower link: through the next plane, and from edge switches to plane
    /// `aggregation`.
    private static func appendSecond(
        _ cause: Lower, _ at: ClosPosition, _ arrival: Int?, _ shape: ClosShape,
        _ ports: inout [Int]
    ) {
        let next = (cause.aggregation + 1) % shape.aggregationsPerPod
        guard next != cause.aggregation else { return }
        switch at.tier {
        case .edge:
            if at.pod == cause.pod && at.group == cause.edge { return ports.append(next) }
            let handsOver =
                at.pod == cause.pod ? (cause.edge + 1) % shape.edgesPerPod : 0
            if at.group == handsOver && arrival == next { ports.append(cause.aggregation) }
        case .aggregation where at.group == next:
            for port in 0..<shape.edgesPerPod
            where at.pod != cause.pod || port != cause.edge { ports.append(port) }
            if at.pod == cause.pod { ports.append(contentsOf: cores(shape)) }
        case .aggregation where at.group == cause.aggregation && at.pod == cause.pod:
            ports.append(contentsOf: cores(shape))
        case .core where at.group == next:
            appendShare(of: at.member, except: cause.pod, shape, &ports)
        case .aggregation, .core: return
        }
    }

    private static func appendUpper(
        _ cause: (pod: Int, core: Int), copy: Int, _ at: ClosPosition, _ shape: ClosShape,
        _ ports: inout [Int]
    ) {
        let relay = copy == 0 ? cause.core : (cause.core + 1) % shape.coresPerAggregation
        switch at.tier {
        case .core where at.member == relay:
            for port in 0..<shape.pods where port != cause.pod { ports.append(port) }
        case .aggregation where at.pod == cause.pod && copy == 1 && relay != cause.core:
            ports.append(shape.edgesPerPod + relay)
        default: return
        }
    }

    private static func cores(_ shape: ClosShape) -> Range<Int> {
        shape.edgesPerPod..<shape.edgesPerPod + shape.coresPerAggregation
    }

    /// The pods that a core serves: each pod has one of the cores of a plane.
    private static func appendShare(
        of member: Int, except pod: Int, _ shape: ClosShape, _ ports: inout [Int]
    ) {
        for port in stride(from: member, to: shape.pods, by: shape.coresPerAggregation)
        where port != pod { ports.append(port) }
    }

    /// Whether a switch's choices may depend on a link, so that it must hear of it.
    public func isInScope(_ link: LinkID, of id: SwitchID) -> Bool {
        guard case .clos(let clos) = fabric else { return true }
        let at = clos.position(of: id)
        switch clos.kind(of: link) {
        case .lower(let plane, _, _, let aggregation):
            guard plane == at.plane else { return false }
            if at.tier == .edge { return true }
            return at.group == aggregation
        case .upper(let plane, _, let aggregation, let core):
            guard plane == at.plane, at.group == aggregation else { return false }
            switch at.tier {
            case .edge: return false
            case .aggregation: return true
            case .core: return at.member == core
            }
        }
    }
}
