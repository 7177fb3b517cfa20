import KapokWorld

/// The part of a plan that is the same for all switches, in bytes: version, epochs, topology (its
/// name, or the wiring in full), exceptions, timers. Numbers are LEB128 varints. Equal plans have
/// equal bytes.
enum PlanBody {
    /// The version of this encoding.
    static let version: UInt8 = 1
    /// The most links that are listed as missing or drained.
    static let maximumLinks = 1 << 20
    /// The most prefixes of a destination.
    static let maximumPrefixes = 4_096
    /// The most bytes of a topology's name.
    static let maximumNameBytes = 128

    private enum Kind: UInt8 {
        case named = 0
        case graph = 1
    }

    // MARK: Writing

    static func encoded(_ plan: SwitchPlan) -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 256)
        writer.uint8(version)
        writer.varint(plan.epoch)
        writer.varint(plan.epoch - plan.compatibleSince)
        if !plan.topologyName.isEmpty {
            writer.uint8(Kind.named.rawValue)
            writer.string(plan.topologyName)
        } else if case .graph(let graph) = plan.fabric {
            writer.uint8(Kind.graph.rawValue)
            GraphCoding.write(graph, to: &writer)
        } else {
            preconditionFailure("a Clos network has a name")
        }
        LinkRuns.write(plan.missing, to: &writer)
        LinkRuns.write(plan.drained, to: &writer)
        let trees = plan.extraTrees.sorted { $0.key < $1.key }
        writer.varint(UInt64(trees.count))
        for (destination, sets) in trees {
            writer.varint(UInt64(destination.index))
            writer.varint(UInt64(sets.count))
            for set in sets { LinkRuns.write(set, to: &writer) }
        }
        let prefixes = plan.extraPrefixes.sorted { $0.key < $1.key }
        writer.varint(UInt64(prefixes.count))
        for (destination, list) in prefixes {
            writer.varint(UInt64(destination.index))
            writer.varint(UInt64(list.count))
            for prefix in list {
                writer.uint8(UInt8(prefix.length))
                writer.uint32(prefix.address)
            }
        }
        write(plan.timers, to: &writer)
        return writer.bytes
    }

    private static func write(_ timers: AgentTimers, to writer: inout ByteWriter) {
        for value in [
            timers.hello.nanoseconds, UInt64(timers.multiplier), timers.digest.nanoseconds,
            timers.holdDown.nanoseconds, timers.longestHoldDown.nanoseconds,
            UInt64(timers.greyLossPerMillion), timers.greyWindow.nanoseconds,
        ] { writer.varint(value) }
    }

    // MARK: Reading

    static func decode(
        _ bytes: ArraySlice<UInt8>, for id: SwitchID
    ) throws(PlanRefusal) -> SwitchPlan {
        var reader = ByteReader(bytes)
        do throws(ByteCodingError) {
            let found = try reader.uint8()
            guard found == version else { throw .unknownTag(UInt64(found)) }
        } catch { throw PlanRefusal(error) }
        let (epoch, since) = try epochs(&reader)
        let (name, fabric) = try topology(&reader)
        guard id.index < fabric.switchCount else {
            throw .inconsistent("\(id) of \(fabric.switchCount)")
        }
        let missing = try LinkRuns.read(&reader, of: fabric.linkCount)
        let drained = try LinkRuns.read(&reader, of: fabric.linkCount)
        let extraTrees = try trees(&reader, fabric)
        let extraPrefixes = try prefixes(&reader, fabric)
        let timers = try timers(&reader)
        guard reader.remaining == 0 else {
            throw .malformed("\(reader.remaining) bytes behind its end")
        }
        return SwitchPlan(
            epoch: epoch, switchID: id, fabric: fabric, topologyName: name, missing: missing,
            drained: drained, extraTrees: extraTrees, extraPrefixes: extraPrefixes,
            timers: timers, compatibleSince: since)
    }

    private static func epochs(
        _ reader: inout ByteReader
    ) throws(PlanRefusal) -> (UInt64, UInt64) {
        do throws(ByteCodingError) {
            let epoch = try reader.varint()
            let back = try reader.varint()
            guard back <= epoch else {
                throw .tooLong(length: back, bound: Int(clamping: epoch))
            }
            return (epoch, epoch - back)
        } catch { throw PlanRefusal(error) }
    }

    private static func topology(
        _ reader: inout ByteReader
    ) throws(PlanRefusal) -> (String, Fabric) {
        var name = ""
        do throws(ByteCodingError) {
            let tag = try reader.uint8()
            switch Kind(rawValue: tag) {
            case .named: name = try reader.string(atMost: maximumNameBytes)
            case .graph: break
            case nil: throw .unknownTag(UInt64(tag))
            }
        } catch { throw PlanRefusal(error) }
        if name.isEmpty { return ("", .graph(try GraphCoding.read(&reader))) }
        guard let topology = try? TopologyName(name), topology.description == name else {
            throw .unknownTopology(name)
        }
        return (name, topology.fabric)
    }

    /// A list whose keys are destinations in rising order.
    private static func byDestination<Value>(
        _ reader: inout ByteReader, _ fabric: Fabric,
        _ value: (inout ByteReader) throws(PlanRefusal) -> Value
    ) throws(PlanRefusal) -> [DestinationID: Value] {
        var all: [DestinationID: Value] = [:]
        let destinations = fabric.destinationCount
        var last = -1
        let count = try PlanReading.count(&reader, atMost: destinations)
        for _ in 0..<count {
            let index = try PlanReading.count(&reader, atMost: destinations - 1)
            guard index > last else { throw .malformed("destinations out of order") }
            last = index
            all[DestinationID(index)] = try value(&reader)
        }
        return all
    }

    private static func trees(
        _ reader: inout ByteReader, _ fabric: Fabric
    ) throws(PlanRefusal) -> [DestinationID: [LinkSet]] {
        let links = fabric.linkCount
        return try byDestination(&reader, fabric) { (reader) throws(PlanRefusal) in
            let count = try PlanReading.count(&reader, atMost: GraphRoutes.maximumExtraTrees)
            var sets: [LinkSet] = []
            for _ in 0..<count { sets.append(try LinkRuns.read(&reader, of: links)) }
            return sets
        }
    }

    private static func prefixes(
        _ reader: inout ByteReader, _ fabric: Fabric
    ) throws(PlanRefusal) -> [DestinationID: [IPv4Prefix]] {
        try byDestination(&reader, fabric) { (reader) throws(PlanRefusal) in
            let count = try PlanReading.count(&reader, atMost: maximumPrefixes)
            var list: [IPv4Prefix] = []
            for _ in 0..<count {
                let length: Int
                let address: UInt32
                do throws(ByteCodingError) {
                    length = Int(try reader.uint8())
                    address = try reader.uint32()
                } catch { throw PlanRefusal(error) }
                guard let prefix = IPv4Prefix(network: address, length: length) else {
                    throw .malformed("\(IPv4Prefix.dotted(address))/\(length) is no prefix")
                }
                list.append(prefix)
            }
            return list
        }
    }

    private static func timers(_ reader: inout ByteReader) throws(PlanRefusal) -> AgentTimers {
        var values: [UInt64] = []
        do throws(ByteCodingError) {
            for _ in 0..<7 { values.append(try reader.varint()) }
        } catch { throw PlanRefusal(error) }
        var timers = AgentTimers()
        guard values[1] <= 255, values[5] <= 1_000_000 else {
            throw .malformed("timers out of bounds")
        }
        timers.hello = Interval(nanoseconds: values[0])
        timers.multiplier = Int(values[1])
        timers.digest = Interval(nanoseconds: values[2])
        timers.holdDown = Interval(nanoseconds: values[3])
        timers.longestHoldDown = Interval(nanoseconds: values[4])
        timers.greyLossPerMillion = Int(values[5])
        timers.greyWindow = Interval(nanoseconds: values[6])
        if let fault = timers.fault { throw .malformed(fault) }
        return timers
    }
}

/// Reads numbers with a bound.
enum PlanReading {
    static func count(
        _ reader: inout ByteReader, atMost bound: Int
    ) throws(PlanRefusal) -> Int {
        do { return try reader.count(atMost: bound) } catch { throw PlanRefusal(error) }
    }
}

/// A set of links in few bytes: runs in rising order. A run is the gap to the one before, times
/// two, plus one where more than one link follows; then how many more than two.
enum LinkRuns {
    static func write(_ set: LinkSet, to writer: inout ByteWriter) {
        var runs: [(first: Int, count: Int)] = []
        for link in set {
            if let last = runs.last, last.first + last.count == link.index {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((link.index, 1))
            }
        }
        writer.varint(UInt64(runs.count))
        var next = 0
        for run in runs {
            let isLong = run.count > 1
            writer.varint(UInt64(run.first - next) << 1 | (isLong ? 1 : 0))
            if isLong { writer.varint(UInt64(run.count - 2)) }
            next = run.first + run.count
        }
    }

    static func read(
        _ reader: inout ByteReader, of linkCount: Int
    ) throws(PlanRefusal) -> LinkSet {
        let runs = try PlanReading.count(&reader, atMost: min(linkCount, PlanBody.maximumLinks))
        var links: [LinkID] = []
        var next = 0
        for _ in 0..<runs {
            let head = try PlanReading.count(&reader, atMost: linkCount * 2)
            next += head >> 1
            var count = 1
            if head & 1 == 1 {
                count = 2 + (try PlanReading.count(&reader, atMost: PlanBody.maximumLinks))
            }
            guard next + count <= linkCount else {
                throw .inconsistent("link \(next + count - 1) of \(linkCount)")
            }
            guard links.count + count <= PlanBody.maximumLinks else {
                throw .malformed("more than \(PlanBody.maximumLinks) links listed")
            }
            for index in next..<next + count { links.append(LinkID(index)) }
            next += count
        }
        return LinkSet(links)
    }
}

extension AgentTimers {
    /// What makes these timers unusable; nil when they are sound.
    public var fault: String? {
        if hello < .microseconds(10) || .seconds(10) < hello {
            return "a hello interval outside 10 us to 10 s"
        }
        if !(2...255).contains(multiplier) { return "a multiplier outside 2 to 255" }
        if digest < hello || .seconds(3_600) < digest {
            return "a digest interval outside one hello to one hour"
        }
        if longestHoldDown < holdDown || .seconds(86_400) < longestHoldDown {
            return "a longest hold-down outside the first one to one day"
        }
        if !(0...1_000_000).contains(greyLossPerMillion) {
            return "a grey loss outside 0 to 1,000,000 of a million"
        }
        if greyWindow < hello || .seconds(3_600) < greyWindow {
            return "a grey window outside one hello to one hour"
        }
        return nil
    }
}

extension IPv4Prefix {
    /// A prefix in its one spelling: a length of 0 to 32, and no bit set behind it; nil for others.
    public init?(network address: UInt32, length: Int) {
        guard (0...32).contains(length), address & ~Self.mask(length) == 0 else { return nil }
        self.init(address: address, length: length)
    }

    /// The bits that count of a length.
    static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - length) }
}
