public import KapokStore

/// Where the catalog keeps objects in the store's key space.
public enum ObjectSpace {
    /// All objects of all buckets: half-open.
    public static let keys: (from: StoreKey, to: StoreKey) = (
        StoreKey([UInt8(ascii: "O")]), StoreKey([UInt8(ascii: "O") + 1])
    )
}
