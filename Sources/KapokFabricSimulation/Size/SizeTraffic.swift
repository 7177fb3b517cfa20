import KapokFabric

/// What each class of links carries in the healthy network, of its line rate: by symmetry all links
/// of a class are alike. A graph has no such symmetry; all its links count 1.
struct TrafficShares: Hashable, Sendable {
    /// A link between edge and aggregation switch, each direction.
    let lower: Double
    /// A link between aggregation switch and core, each direction.
    let upper: Double
    /// A link to a host.
    let host: Double

    init(_ fabric: Fabric, _ matrix: TrafficMatrix) {
        guard case .clos(let clos) = fabric else {
            lower = 1
            upper = 1
            host = 1
            return
        }
        let shape = clos.shape
        let hostsOfEdge = Double(shape.hostsPerEdge)
        let hostsOfPod = hostsOfEdge * Double(shape.edgesPerPod)
        let hosts = hostsOfPod * Double(shape.pods)
        host = 1
        guard hosts > 1 else {
            lower = 0
            upper = 0
            return
        }
        // Line rates that leave an edge switch, and that leave a pod.
        let leavesEdge: Double
        let leavesPod: Double
        switch matrix {
        case .uniform:
            leavesEdge = hostsOfEdge * (hosts - hostsOfEdge) / (hosts - 1)
            leavesPod = hostsOfPod * (hosts - hostsOfPod) / (hosts - 1)
        case .ring:
            leavesEdge = hosts > hostsOfEdge ? 1 : 0
            leavesPod = hosts > hostsOfPod ? 1 : 0
        }
        let uplinks = Double(shape.aggregationsPerPod)
        lower = leavesEdge / uplinks
        upper =
            shape.coresPerAggregation == 0
            ? 0 : leavesPod / (uplinks * Double(shape.coresPerAggregation))
    }

    func share(of kind: NewsCause.Kind) -> Double { kind == .upper ? upper : lower }

    /// Packets of 4 KiB in a millisecond on a link of 400 Gbit/s.
    static let packetsPerMillisecond = 400e9 / 8 / 4096 / 1000
}
