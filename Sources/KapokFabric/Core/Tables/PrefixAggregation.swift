/// Joins neighbouring prefixes that lead to the same place.
///
/// Only exact unions are made: two halves that are both present become the whole. A joined prefix
/// never covers an address that was not covered before, so that packets to addresses that do not
/// exist are dropped where they always were instead of wandering between default routes.
public enum PrefixAggregation {
    /// Joins what can be joined in `places`. `canJoin` may forbid that the two halves of the given
    /// prefix become one.
    public static func join<Place: Hashable>(
        _ places: inout [IPv4Prefix: Place], canJoin: (IPv4Prefix, Place) -> Bool = { _, _ in true }
    ) {
        var byLength = [[IPv4Prefix]](repeating: [], count: 33)
        for prefix in places.keys { byLength[prefix.length].append(prefix) }
        for length in stride(from: 32, to: 0, by: -1) {
            let bit = UInt32(1) << UInt32(32 - length)
            for prefix in byLength[length] where prefix.address & bit == 0 {
                let sibling = IPv4Prefix(address: prefix.address | bit, length: length)
                let whole = IPv4Prefix(address: prefix.address, length: length - 1)
                guard let place = places[prefix], places[sibling] == place,
                    places[whole] == nil, canJoin(whole, place)
                else { continue }
                places[prefix] = nil
                places[sibling] = nil
                places[whole] = place
                byLength[length - 1].append(whole)
            }
        }
    }
}

extension IPv4Prefix {
    /// The same prefix with the bits that do not count set to zero.
    public var masked: IPv4Prefix { IPv4Prefix(address: address & mask, length: length) }

    /// One bit for each bit that counts.
    public var mask: UInt32 { length == 0 ? 0 : ~UInt32(0) << UInt32(32 - length) }

    /// Whether an address lies in it.
    public func contains(_ other: UInt32) -> Bool { (other ^ address) & mask == 0 }
}
