/// A fixed number of trivial values in memory that it owns. Unlike an array it does not check
/// indices in release builds and is never copied: for loops whose indices were checked before.
struct FlatBuffer<Element: BitwiseCopyable>: ~Copyable {
    private(set) var count: Int
    private var base: UnsafeMutablePointer<Element>

    init(repeating value: Element, count: Int) {
        self.init(uninitializedCount: count)
        base.initialize(repeating: value, count: count)
    }

    /// Each value must be set before it is read.
    init(uninitializedCount count: Int) {
        self.count = count
        base = UnsafeMutablePointer<Element>.allocate(capacity: max(count, 1))
    }

    deinit { base.deallocate() }

    /// Makes room for more values, which must be set before they are read.
    mutating func grow(to newCount: Int) {
        precondition(newCount >= count)
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: newCount)
        larger.initialize(from: base, count: count)
        base.deallocate()
        base = larger
        count = newCount
    }

    subscript(index: Int) -> Element {
        @inline(__always) get {
            assert(index >= 0 && index < count)
            return base[index]
        }
        @inline(__always) nonmutating set {
            assert(index >= 0 && index < count)
            base[index] = newValue
        }
        @inline(__always) nonmutating _modify {
            assert(index >= 0 && index < count)
            yield &base[index]
        }
    }

    /// Its values as an array.
    func copied() -> [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }
}
