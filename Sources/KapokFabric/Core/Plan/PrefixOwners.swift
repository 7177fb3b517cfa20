extension IPv4Prefix {
    /// Reads `10.0.0.0/8`; nil for anything else, also when a bit behind the length is set.
    public init?(_ text: String) {
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2, let length = Self.number(halves[1], atMost: 32),
            let address = Self.address(halves[0])
        else { return nil }
        self.init(network: address, length: length)
    }

    /// Reads four numbers with dots.
    public static func address(_ text: some StringProtocol) -> UInt32? {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 4 else { return nil }
        var address: UInt32 = 0
        for word in words {
            guard let byte = number(word, atMost: 255) else { return nil }
            address = address << 8 | UInt32(byte)
        }
        return address
    }

    private static func number(_ text: some StringProtocol, atMost bound: Int) -> Int? {
        guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }),
            let value = Int(text), value <= bound
        else { return nil }
        return value
    }

    /// The first and last address.
    var range: ClosedRange<UInt32> { address...(address | ~Self.mask(length)) }
}

/// Which destination owns which addresses under a plan, the longest prefix first.
///
/// A prefix has one owner: were packets to it drawn to two destinations, two switches could each
/// think the other's way the better one, and send a packet back and forth. For the same reason an
/// address does not go from one owner to another between two plans: it is withdrawn in one plan
/// and given away in the next.
public struct PrefixOwners: Sendable {
    /// From here on up to the next entry's address the owner is this.
    private var starts: [(address: UInt32, owner: DestinationID?)] = []
    /// All prefixes in rising order, each with its owner.
    public private(set) var prefixes: [(prefix: IPv4Prefix, owner: DestinationID)] = []

    /// The owners under a plan. Throws a prefix that is none or has two owners.
    public init(_ plan: FabricPlan) throws(PlanProblem) {
        let count = plan.fabric.destinationCount
        for index in 0..<count {
            let destination = DestinationID(index)
            // Beyond 65,536 destinations there is no addressing.
            guard let prefix = plan.fabric.prefix(of: destination) else { break }
            prefixes.append((prefix, destination))
        }
        for (destination, list) in plan.extraPrefixes {
            guard (0..<count).contains(destination.index) else {
                throw .badPrefix("prefixes of \(destination), which does not exist")
            }
            guard list.count <= PlanBody.maximumPrefixes else {
                throw .badPrefix("\(list.count) prefixes of \(destination)")
            }
            for prefix in list {
                guard IPv4Prefix(network: prefix.address, length: prefix.length) != nil else {
                    throw .badPrefix("\(prefix) is no prefix: bits are set behind its length")
                }
                prefixes.append((prefix, destination))
            }
        }
        prefixes.sort {
            ($0.prefix.address, $0.prefix.length) < ($1.prefix.address, $1.prefix.length)
        }
        for (one, next) in zip(prefixes, prefixes.dropFirst()) where one.prefix == next.prefix {
            let names = [one, next].map { plan.fabric.name(of: plan.fabric.owner(of: $0.owner)) }
            throw .badPrefix("\(one.prefix) belongs to both \(names[0]) and \(names[1])")
        }
        makeStarts()
    }

    /// Sweeps over the prefixes, which lie inside one another or apart.
    private mutating func makeStarts() {
        var open: [(last: UInt32, owner: DestinationID)] = []
        func mark(_ address: UInt32, _ owner: DestinationID?) {
            if starts.last?.address == address { starts.removeLast() }
            if starts.last.map({ $0.owner == owner }) ?? (owner == nil) { return }
            starts.append((address, owner))
        }
        func close(before address: UInt64) {
            while let inner = open.last, UInt64(inner.last) < address {
                open.removeLast()
                if inner.last < .max { mark(inner.last + 1, open.last?.owner) }
            }
        }
        for (prefix, owner) in prefixes {
            close(before: UInt64(prefix.range.lowerBound))
            mark(prefix.range.lowerBound, owner)
            open.append((prefix.range.upperBound, owner))
        }
        close(before: 1 << 32)
    }

    /// The owner of an address.
    public func owner(of address: UInt32) -> DestinationID? {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle].address <= address { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : starts[low - 1].owner
    }

    /// An address that another destination owns under `other`, if there is one.
    public func firstMoved(in other: PrefixOwners)
        -> (address: UInt32, from: DestinationID, to: DestinationID)?
    {
        for address in (starts.map(\.address) + other.starts.map(\.address)).sorted() {
            if let from = owner(of: address), let to = other.owner(of: address), from != to {
                return (address, from, to)
            }
        }
        return nil
    }
}
