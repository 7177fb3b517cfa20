/// A view of memory as an array of up to six dimensions, each with a stride, in elements.
struct StridedLayout: Sendable {
    static let maximumRank = 6

    private(set) var rank: Int
    private var counts: InlineArray<6, Int>
    private var strides: InlineArray<6, Int>
    /// The first element.
    private(set) var offset: Int

    /// A dense array of that shape, row by row.
    ///
    /// - Precondition: at most six dimensions.
    init(shape: [Int]) {
        precondition(shape.count <= Self.maximumRank)
        rank = shape.count
        counts = InlineArray(repeating: 1)
        strides = InlineArray(repeating: 0)
        offset = 0
        var stride = 1
        for dimension in shape.indices.reversed() {
            counts[dimension] = shape[dimension]
            strides[dimension] = stride
            stride *= shape[dimension]
        }
    }

    func count(_ dimension: Int) -> Int { counts[dimension] }
    func stride(_ dimension: Int) -> Int { strides[dimension] }

    /// Elements in each dimension.
    var shape: [Int] { (0..<rank).map { counts[$0] } }

    /// Elements in all dimensions from `first` on.
    func elements(from first: Int = 0) -> Int {
        var product = 1
        for dimension in first..<max(first, rank) { product *= counts[dimension] }
        return product
    }

    /// Whether some elements appear more than once, because a dimension has stride 0.
    var repeats: Bool {
        for dimension in 0..<rank where counts[dimension] > 1 && strides[dimension] == 0 {
            return true
        }
        return false
    }

    /// Takes a part of one dimension, which stays.
    mutating func slice(_ dimension: Int, start: Int, count: Int, step: Int) {
        offset += start * strides[dimension]
        counts[dimension] = count
        strides[dimension] *= step
    }

    /// Removes a dimension of one element.
    mutating func remove(_ dimension: Int) {
        for later in dimension..<(rank - 1) {
            counts[later] = counts[later + 1]
            strides[later] = strides[later + 1]
        }
        rank -= 1
        counts[rank] = 1
        strides[rank] = 0
    }

    /// Adds a dimension before `dimension`. False when there is no room for it.
    mutating func insert(_ dimension: Int, count: Int, stride: Int) -> Bool {
        guard rank < Self.maximumRank else { return false }
        var later = rank
        while later > dimension {
            counts[later] = counts[later - 1]
            strides[later] = strides[later - 1]
            later -= 1
        }
        counts[dimension] = count
        strides[dimension] = stride
        rank += 1
        return true
    }

    /// Makes a dimension of `n` elements one of `n / inner` times `inner`.
    mutating func split(_ dimension: Int, inner: Int) -> Bool {
        let outer = counts[dimension] / inner
        let stride = strides[dimension]
        guard insert(dimension, count: outer, stride: stride * inner) else { return false }
        counts[dimension + 1] = inner
        return true
    }

    /// Makes one dimension of `dimension` and the next. False when no single stride covers both.
    mutating func merge(_ dimension: Int) -> Bool {
        let next = dimension + 1
        if counts[dimension] == 1 {
            remove(dimension)
        } else if counts[next] == 1 {
            remove(next)
        } else if strides[dimension] == strides[next] * counts[next] {
            let total = counts[dimension] * counts[next]
            remove(dimension)
            counts[dimension] = total
        } else {
            return false
        }
        return true
    }

    /// Repeats a dimension of one element.
    mutating func broadcast(_ dimension: Int, count: Int) {
        counts[dimension] = count
        strides[dimension] = 0
    }

    /// Puts the dimensions from `first` on into another order: dimension `first + i` becomes that
    /// which was `order[i]`.
    mutating func permute(_ order: [Int], from first: Int) {
        let old = self
        for (index, source) in order.enumerated() {
            counts[first + index] = old.counts[source]
            strides[first + index] = old.strides[source]
        }
    }

    /// Drops dimensions of one element and joins those that one stride covers, from `first` on:
    /// equal accesses get equal patterns, and more fit into four dimensions.
    mutating func simplify(from first: Int) {
        var dimension = first
        while dimension < rank {
            if counts[dimension] == 1 {
                remove(dimension)
            } else if dimension > first,
                strides[dimension - 1] == strides[dimension] * counts[dimension]
            {
                _ = merge(dimension - 1)
            } else {
                dimension += 1
            }
        }
    }
}
