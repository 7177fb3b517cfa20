import KapokSimulation
import KapokWorld
import Testing

@Suite("Trace hash")
struct TraceHashTests {
    private func hash(_ body: (inout TraceHash) -> Void) -> UInt64 {
        var trace = TraceHash()
        body(&trace)
        return trace.value
    }

    private func expectEqual(
        _ a: UInt64, _ b: UInt64, location: SourceLocation = #_sourceLocation
    ) {
        #expect(a == b, sourceLocation: location)
    }

    @Test("values of an independent implementation hold in every build and on every machine")
    func pinned() {
        // From the definition in TraceHash's source, written down again in Python.
        expectEqual(hash { _ in }, 16_852_473_371_444_490_038)
        expectEqual(hash { $0.mix(1 as UInt64) }, 3_997_923_051_535_438_811)
        expectEqual(hash { $0.mix("kapok 🌳") }, 1_340_899_652_039_620_298)
        expectEqual(hash { $0.mix([UInt8](0..<100)) }, 3_794_438_100_918_710_487)
    }

    @Test("order, number and boundaries of what is mixed in count")
    func sensitivity() {
        let values: [UInt64] = [
            hash { _ in },
            hash { $0.mix(0 as UInt64) },
            hash {
                $0.mix(0 as UInt64)
                $0.mix(0 as UInt64)
            },
            hash {
                $0.mix(1 as UInt64)
                $0.mix(2 as UInt64)
            },
            hash {
                $0.mix(2 as UInt64)
                $0.mix(1 as UInt64)
            },
            hash {
                $0.mix("ab")
                $0.mix("c")
            },
            hash {
                $0.mix("a")
                $0.mix("bc")
            },
            hash { $0.mix([0 as UInt8]) },
            hash { $0.mix([0, 0] as [UInt8]) },
            hash { $0.mix([UInt8](repeating: 0, count: 8)) },
            hash { $0.mix([] as [UInt8]) },
        ]
        // Mixing in no bytes mixes in their number, zero: the one intended equality.
        #expect(Set(values).count == values.count - 1)
        #expect(values[1] == values[10])
    }

    @Test("traces that differ in a single bit of a single word never share a hash")
    func singleBits() {
        var random = RandomStream(seed: 1)
        let words = (0..<20).map { _ in random.next() }
        var seen: Set<UInt64> = [hash { trace in words.forEach { trace.mix($0) } }]
        for position in words.indices {
            for bit in 0..<64 {
                var changed = words
                changed[position] ^= 1 << UInt64(bit)
                seen.insert(hash { trace in changed.forEach { trace.mix($0) } })
            }
        }
        #expect(seen.count == 1 + 20 * 64)
    }

    @Test("equal numbers of different types mix in equally, and bytes do so at any alignment")
    func representations() {
        expectEqual(hash { $0.mix(-5 as Int8) }, hash { $0.mix(-5 as Int64) })
        expectEqual(hash { $0.mix(200 as UInt8) }, hash { $0.mix(200 as Int) })
        expectEqual(hash { $0.mix(Instant(nanoseconds: 9)) }, hash { $0.mix(9 as UInt64) })
        expectEqual(hash { $0.mix(true) }, hash { $0.mix(1 as UInt64) })
        let bytes = [UInt8](0..<64)
        bytes.withUnsafeBytes { all in
            for start in 0..<16 {
                let part = UnsafeRawBufferPointer(rebasing: all[start..<start + 21])
                expectEqual(
                    hash { $0.mix(part) }, hash { $0.mix(Array(bytes[start..<start + 21])) })
            }
        }
    }
}
