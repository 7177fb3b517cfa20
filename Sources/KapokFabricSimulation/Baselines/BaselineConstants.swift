public import KapokWorld

/// What the protocols that the fabric is compared to cost, each figure with where it is from. Where
/// sources differ the figure that favours the protocol is taken, so that the comparison errs on the
/// side of the others. "Measured" are the figures of the lab in `docs/benchmarks.md` and of the
/// reference notes, on a shared two-core machine.
public struct BaselineConstants: Hashable, Sendable {
    /// Loss of carrier until the routing process knows: the same for all protocols.
    public var carrier: Interval = .microseconds(100)
    /// Between two BFD control packets (RFC 5880): 50 ms, the shortest that did not flap on a
    /// loaded machine (measured with FRR 8.4.4; 10 ms never converged).
    public var bfdInterval: Interval = .milliseconds(50)
    /// Missing BFD packets until the session is down.
    public var bfdMultiplier = 3
    /// Light in fibre, 4.9 ns/m, over 100 m at most inside a building.
    public var propagation: Interval = Interval(nanoseconds: 490)

    // MARK: BGP

    /// From an UPDATE's arrival until the process passes on what follows from it: below 1 ms a hop
    /// measured with BIRD 2.0.12 (1 to 5 ms over three hops). FRR takes 50 to 110 ms.
    public var bgpLatency: Interval = .microseconds(700)
    /// Of that, what occupies the process's one thread for each UPDATE, without its prefixes.
    public var bgpUpdate: Interval = .microseconds(20)
    /// Per prefix in an UPDATE: parsing, best path, export; about 0.5 M prefixes/s in one thread.
    public var bgpPrefix: Interval = .microseconds(2)
    /// Writing one UPDATE to one neighbour's socket.
    public var bgpSend: Interval = .microseconds(10)

    // MARK: Link state

    /// Flooding one LSA on: parse, check, install in the database, queue (a twentieth of the 1 ms
    /// that RFC 4222 era routers needed; FRR's per-packet path).
    public var lsaRelay: Interval = .microseconds(200)
    /// Taking in a copy of an LSA that is known already: every neighbour sends one.
    public var lsaDuplicate: Interval = .microseconds(10)
    /// Writing one LSA to one neighbour.
    public var lsaSend: Interval = .microseconds(5)
    /// SPF waits this long for further news after the first: FRR's `timers throttle spf 0 50 5000`
    /// begins with 0 ms. (RFC 8405 proposes 50 ms.)
    public var spfDelay: Interval = .zero
    /// The hold time between two SPF runs begins with this and doubles to `spfLongestHold`.
    public var spfHold: Interval = .milliseconds(50)
    /// The longest hold time between two SPF runs.
    public var spfLongestHold: Interval = .seconds(5)
    /// Dijkstra, per link direction of the database: about 20 M edges/s with a binary heap out of
    /// cache.
    public var spfPerArc: Interval = Interval(nanoseconds: 50)
    /// Going through one destination's next hops after SPF.
    public var spfPerDestination: Interval = Interval(nanoseconds: 500)

    // MARK: Central

    /// A switch's report reaches the controller: management network, TLS, queue.
    public var reportDelay: Interval = .milliseconds(1)
    /// The controller's database takes this many updates a second (Orion, NSDI 2021: 1.16 M/s).
    public var controllerUpdatesPerSecond = 1_160_000.0
    /// Events are gathered this long before a solution is computed, so that one trunk or switch is
    /// one event.
    public var gathering: Interval = .milliseconds(10)
    /// The controller computes the new forwarding state of the parts touched: per switch to change.
    public var solvePerSwitch: Interval = .microseconds(20)
    /// An update reaches a switch and is acknowledged.
    public var pushDelay: Interval = .milliseconds(1)
    /// Switches that the controller programs at a time.
    public var pushWindow = 4_096

    // MARK: All

    /// Replacing one next-hop group in the forwarding plane (measured: 93 µs CPU on Linux). All
    /// protocols are credited with prefix-independent groups.
    public var groupReplace: Interval = .microseconds(93)

    public init() {}
}
