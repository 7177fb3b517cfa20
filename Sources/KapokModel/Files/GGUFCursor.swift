/// Reads little-endian fields one after another; no read goes beyond the end.
struct GGUFCursor {
    let path: String
    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(path: String, bytes: UnsafeRawBufferPointer) {
        self.path = path
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - offset }

    mutating func integer<T: FixedWidthInteger>(
        _ what: @autoclosure () -> String
    ) throws(ModelFileError) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw cutShort(what()) }
        defer { offset += size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// A 64-bit count of things that take at least `size` bytes each and lie in the rest.
    mutating func count(
        atLeast size: Int, _ what: @autoclosure () -> String
    ) throws(ModelFileError) -> Int {
        let place = offset
        let value: UInt64 = try integer(what())
        guard value <= UInt64(remaining / size) else {
            throw error(
                "\(what()) is \(value), for which the file is too short", at: place,
                remedy: "the file is damaged or was not fetched completely")
        }
        return Int(value)
    }

    mutating func skip(_ count: Int, _ what: @autoclosure () -> String) throws(ModelFileError) {
        guard count <= remaining else { throw cutShort(what()) }
        offset += count
    }

    /// A length and that many bytes.
    mutating func string(
        atMost bound: Int, _ what: @autoclosure () -> String
    ) throws(ModelFileError) -> String {
        let place = offset
        let length = try count(atLeast: 1, "the length of \(what())")
        guard length <= bound else {
            throw error("\(what()) has \(length) bytes; at most \(bound) are allowed", at: place)
        }
        let start = offset
        try skip(length, what())
        let text = String(validating: bytes[start..<start + length], as: UTF8.self)
        guard let text else { throw error("\(what()) is not UTF-8", at: start) }
        return text
    }

    func error(_ problem: String, at place: Int, remedy: String = "") -> ModelFileError {
        ModelFileError(.malformed, path: path, place: "byte \(place)", problem, remedy: remedy)
    }

    private func cutShort(_ what: String) -> ModelFileError {
        error(
            "the file ends inside \(what)", at: offset,
            remedy: "it is damaged or was not fetched completely")
    }
}
