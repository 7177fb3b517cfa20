import KapokFabric
import KapokFabricSimulation
import KapokWorld
import Testing

/// Failures and runs for the tests of the simulator at size.
enum SizeFixtures {
    static func fabric(_ name: String) throws -> Fabric { try TopologyName(name).fabric }

    /// A link that is cut at `start` and mended `seconds` later.
    static func cut(
        _ link: Int, at start: Instant, for seconds: UInt64 = 10, isSilent: Bool = false
    ) -> FailureEvent {
        FailureEvent(
            kind: .link, links: [LinkID(link)], hostLinks: 0..<0, failedSwitch: nil,
            isSilent: isSilent, lossPerMillion: 1_000_000,
            outages: [Outage(start: start, end: start + .seconds(seconds))])
    }

    /// A link that loses some of its packets.
    static func grey(_ link: Int, at start: Instant, lossPerMillion: Int) -> FailureEvent {
        var event = cut(link, at: start, for: 60, isSilent: true)
        event.kind = .grey
        event.lossPerMillion = lossPerMillion
        return event
    }

    static func second(_ number: UInt64) -> Instant {
        Instant(nanoseconds: number * 1_000_000_000)
    }

    static func run(
        _ fabric: Fabric, _ events: [FailureEvent], seed: UInt64 = 1,
        _ options: SizeOptions = SizeOptions()
    ) throws -> FabricReport {
        try SizeSimulation.run(
            fabric: fabric, topology: "test",
            schedule: FailureSchedule(events: events, seed: seed), options: options)
    }

    static func run(
        _ name: String, count: Int, seed: UInt64 = 1, mode: FailureSchedule.Mode = .spread,
        kinds: Set<FailureCause>? = nil, silentShare: Double = 0.3,
        _ options: SizeOptions = SizeOptions()
    ) throws -> FabricReport {
        let fabric = try fabric(name)
        return try SizeSimulation.run(
            fabric: fabric, topology: name,
            schedule: try FailureSchedule(
                fabric: fabric, count: count, seed: seed, mode: mode, kinds: kinds,
                silentShare: silentShare),
            options: options)
    }
}

extension FabricReport {
    /// A figure of the protocol; -1 where there is none of that name.
    func detail(_ name: String) -> Int { Int(details[name] ?? -1) }
}
