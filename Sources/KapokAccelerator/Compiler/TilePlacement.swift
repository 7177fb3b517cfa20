/// Where each tile lies.
struct TilePlacement: Sendable {
    /// The first byte, and the first partition, of each tile.
    private(set) var offsets: [Int]
    private(set) var partitions: [Int]

    /// Deals the buffers of each pool to its tiles: a new tile gets the buffer that has been free
    /// for the longest time, so that tiles wait for others as old as possible.
    init(_ pools: [TilePool], lifetimes: TileLifetimes, tileCount: Int) {
        offsets = Array(repeating: 0, count: tileCount)
        partitions = Array(repeating: 0, count: tileCount)
        var bufferOfTile = [Int](repeating: 0, count: tileCount)
        for pool in pools {
            let byEnd = pool.tiles.sorted {
                (lifetimes.last[Int($0)], $0) < (lifetimes.last[Int($1)], $1)
            }
            var free = Array(0..<pool.buffers)
            var nextFree = 0
            var nextEnd = 0
            for tile in pool.tiles.map(Int.init) {
                while lifetimes.last[Int(byEnd[nextEnd])] < lifetimes.first[tile] {
                    free.append(bufferOfTile[Int(byEnd[nextEnd])])
                    nextEnd += 1
                }
                let buffer = free[nextFree]
                nextFree += 1
                bufferOfTile[tile] = buffer
                (offsets[tile], partitions[tile]) = pool.place(buffer)
            }
        }
    }

    /// The patterns with addresses instead of positions in tiles.
    func relocate(_ patterns: [AccessPattern]) -> [AccessPattern] {
        var result = patterns
        for index in result.indices where result[index].space != .hbm {
            let tile = Int(result[index].tile)
            result[index].offset += Int64(offsets[tile])
            result[index].partitionStart += UInt8(partitions[tile])
        }
        return result
    }
}
