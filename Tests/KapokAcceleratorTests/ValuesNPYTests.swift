import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Values: NumPy's array files")
struct ValuesNPYTests {
    /// `numpy.save` of NumPy 2.4.6 for `zeros((2, 3), type)`: the header with its padding.
    private static func header(_ dictionary: String, length: Int = 128) -> [UInt8] {
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length - 10), 0]
        bytes += Array(dictionary.utf8)
        bytes += [UInt8](repeating: 0x20, count: length - 1 - bytes.count) + [0x0A]
        return bytes
    }

    @Test(
        "what NumPy and ml_dtypes write is read, and written again byte by byte",
        arguments: [
            ("<f4", ElementType.fp32), ("<f2", .fp16), ("<i4", .int32), ("<u4", .uint32),
            ("<i2", .int16), ("<u2", .uint16), ("|i1", .int8), ("|u1", .uint8),
        ])
    func knownHeaders(descriptor: String, type: ElementType) throws {
        let file =
            Self.header("{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (2, 3), }")
            + [UInt8](repeating: 7, count: 6 * type.byteCount)
        let array = try NPYFile(parsing: file)
        #expect(array.element == .number(type))
        #expect(array.shape == [2, 3])
        #expect(array.data == [UInt8](repeating: 7, count: 6 * type.byteCount))
        #expect(array.serialized() == file)
    }

    @Test("a single number, one dimension, and no elements have their shapes")
    func shapes() throws {
        for (tuple, shape) in [("()", []), ("(3,)", [3]), ("(4, 0, 2)", [4, 0, 2])] {
            let bytes = shape.reduce(4, *)
            let file =
                Self.header("{'descr': '<f4', 'fortran_order': False, 'shape': \(tuple), }")
                + [UInt8](repeating: 1, count: bytes)
            #expect(try NPYFile(parsing: file).shape == shape)
            #expect(try NPYFile(parsing: file).serialized() == file)
        }
    }

    @Test("versions 2 and 3, other orders of keys and other quotes are read")
    func otherHeaders() throws {
        let text = Array("{\"shape\": (2,), 'fortran_order': False, 'descr': '|V2'}\n".utf8)
        for version: UInt8 in [2, 3] {
            let start = NPYFile.magic + [version, 0, UInt8(text.count), 0, 0, 0]
            let array = try NPYFile(parsing: start + text + [1, 2, 3, 4])
            #expect(array.element == .raw(byteCount: 2))
            #expect(try array.tensorData(as: .bf16) == [1, 2, 3, 4])
        }
    }

    @Test("Fortran order becomes C order")
    func fortranOrder() throws {
        let file =
            Self.header("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }")
            + [11, 21, 12, 22, 13, 23]
        #expect(try NPYFile(parsing: file).data == [11, 12, 13, 21, 22, 23])
    }

    @Test("arrays become tensors of other types as astype does")
    func conversions() throws {
        let halves = try NPYFile(
            .fp32, shape: [3], data: ElementType.fp32.encode([1.00390625, -70_000, 2.5]))
        #expect(try halves.tensorData(as: .bf16) == ElementType.bf16.encode([1, -70_000, 2.5]))
        #expect(
            try halves.tensorData(as: .fp16) == ElementType.fp16.encode([1.0039, -.infinity, 2.5]))
        let wide = Double(0.1).bitPattern
        let double = try NPYFile(
            .float64, shape: [], data: (0..<8).map { UInt8(truncatingIfNeeded: wide >> (8 * $0)) })
        #expect(try double.tensorData(as: .fp32) == ElementType.fp32.encode([0.1]))
        let long = try NPYFile(.int64, shape: [1], data: [44, 1, 0, 0, 0, 0, 0, 0])
        #expect(try long.tensorData(as: .int32) == [44, 1, 0, 0])
        #expect(try long.tensorData(as: .fp32) == ElementType.fp32.encode([300]))
        #expect(throws: NPYError.outOfRange(element: 0)) { try long.tensorData(as: .int8) }
        let raw = try NPYFile(.raw(byteCount: 1), shape: [1], data: [5])
        #expect(throws: NPYError.self) { try raw.tensorData(as: .bf16) }
        #expect(throws: NPYError.self) { try double.tensorData(as: .int32) }
    }

    @Test(
        "what is no array file of a supported type is refused",
        arguments: [
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "big-endian"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "complex"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "structured"),
            ("{'descr': '<f4', 'fortran_order': False, }", "without shape"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", "order as a number"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1), }", "no tuple"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "negative"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
                "huge"
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "too few bytes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "trailing text"),
        ])
    func refused(dictionary: String, why: String) {
        let file = Self.header(dictionary) + [0, 0, 0, 0]
        #expect(throws: NPYError.self, "\(why)") { try NPYFile(parsing: file) }
    }

    @Test("no damaged file crashes the parser, and what it accepts it writes and reads again")
    func damagedFiles() throws {
        var stream = RandomStream(seed: 5)
        let file =
            Self.header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }")
            + [UInt8](repeating: 1, count: 24)
        var accepted = 0
        for _ in 0..<5000 {
            var damaged = file
            for _ in 0...stream.below(3) {
                let place = stream.below(damaged.count)
                switch stream.below(3) {
                case 0: damaged[place] = UInt8(truncatingIfNeeded: stream.next())
                case 1: damaged.removeSubrange(place..<min(place + stream.below(4), damaged.count))
                default: damaged.insert(damaged[stream.below(damaged.count)], at: place)
                }
            }
            guard let array = try? NPYFile(parsing: damaged) else { continue }
            accepted += 1
            #expect(try NPYFile(parsing: array.serialized()).data == array.data)
        }
        #expect(accepted > 0 && accepted < 5000)
    }
}
