/// The causes that a simulation leaves out, sorted by how they are left out.
struct RemovedReasons: Sendable {
    private var reasons: UInt32 = 0
    private(set) var culprits: Set<UInt32> = []
    private(set) var edges: Set<RemovedEdge> = []

    struct RemovedEdge: Hashable, Sendable {
        var culprit: UInt32
        var victim: UInt32
    }

    init(_ causes: [RemovedCause]) {
        for cause in causes {
            switch cause {
            case .reason(let reason): reasons |= 1 << UInt32(reason.rawValue)
            case .culprit(let culprit): culprits.insert(culprit)
            case .edge(let culprit, let victim):
                edges.insert(RemovedEdge(culprit: culprit, victim: victim))
            }
        }
    }

    /// Whether everything behind `reason` is left out.
    func contains(_ reason: StallReason) -> Bool { reasons & (1 << UInt32(reason.rawValue)) != 0 }

    /// Whether `victim` does not wait for `culprit`.
    func contains(_ culprit: UInt32, for victim: UInt32) -> Bool {
        culprits.contains(culprit)
            || edges.contains(RemovedEdge(culprit: culprit, victim: victim))
    }

    /// Whether single instructions are left out, or constraints that only the detailed simulation
    /// can ignore; the others are a matter of costs.
    var needsDetail: Bool {
        if !culprits.isEmpty || !edges.isEmpty { return true }
        return [
            StallReason.data, .antiDependence, .outputDependence, .psumBank, .dmaQueue, .queueOrder,
        ]
        .contains(where: contains)
    }

    /// Whether semaphore waits of `kind` do not hold.
    func contains(waitOf kind: StartCause.Kind) -> Bool {
        switch kind {
        case .flow: contains(.data)
        case .anti: contains(.antiDependence)
        case .output: contains(.outputDependence)
        case .bank: contains(.psumBank)
        default: false
        }
    }
}
