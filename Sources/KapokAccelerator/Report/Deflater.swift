internal import CZlib

/// Compresses blocks with zlib (RFC 1950), each a stream of its own. One deflater serves one
/// thread.
struct Deflater: ~Copyable {
    // zlib keeps a pointer to its stream, which therefore must not move.
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameter level: 1 (fast) to 9 (small).
    init(level: Int) {
        precondition((1...9).contains(level))
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit_(
            stream, Int32(level), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib has no memory: \(status)")
    }

    deinit {
        deflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// `input` as a zlib stream. At most 1 GiB.
    mutating func compress(_ input: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        precondition(input.count <= 1 << 30)
        deflateReset(stream)
        let bound = Int(deflateBound(stream, UInt(input.count)))
        return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            // zlib only reads what its header does not call constant.
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            stream.pointee.next_out = output.baseAddress
            stream.pointee.avail_out = UInt32(bound)
            let status = deflate(stream, Z_FINISH)
            precondition(status == Z_STREAM_END, "deflate into its bound: \(status)")
            count = bound - Int(stream.pointee.avail_out)
        }
    }
}
