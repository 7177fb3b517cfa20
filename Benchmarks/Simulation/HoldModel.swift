import HeapModule
import KapokSimulation
import KapokWorld

/// A 16-byte payload, so that an event is 32 bytes with its key.
struct HoldPayload {
    var a: UInt64
    var b: UInt64
}

/// The increments of the hold model, in nanoseconds.
enum HoldDistribution: String, CaseIterable {
    /// 1 ... 2^20, all equally likely.
    case uniform
    /// 15 of 16 below 2^12, the others up to 2^24.
    case bimodal

    @inline(__always)
    func draw(_ random: inout RandomStream) -> UInt64 {
        switch self {
        case .uniform: return 1 + random.next() >> 44
        case .bimodal:
            let bits = random.next()
            return bits & 15 == 0 ? 1 + bits >> 40 : 1 + bits >> 52
        }
    }
}

/// The hold model (Jones, CACM 1986): pop the earliest event, push one a random time later.
struct HoldModel {
    var population: Int
    var distribution: HoldDistribution
    var operations: Int

    /// The result of one run: thread CPU time without the filling, and the hash of the pop order.
    struct Result {
        var nanoseconds: UInt64
        var orderHash: UInt64
    }

    func runEventQueue() -> Result {
        var random = RandomStream(seed: 42)
        var queue = EventQueue<HoldPayload>(minimumCapacity: population)
        for i in 0..<population {
            let instant = Instant(nanoseconds: distribution.draw(&random))
            queue.push(HoldPayload(a: UInt64(i), b: 0), at: instant)
        }
        var hash = TraceHash()
        let start = threadCPUNanoseconds()
        for _ in 0..<operations {
            guard let event = queue.pop() else { break }
            hash.mix(event.instant.nanoseconds ^ event.payload.a << 40)
            let next = event.instant + Interval(nanoseconds: distribution.draw(&random))
            queue.push(event.payload, at: next)
        }
        return Result(nanoseconds: threadCPUNanoseconds() - start, orderHash: hash.value)
    }

    func runSwiftCollectionsHeap() -> Result {
        var random = RandomStream(seed: 42)
        var heap = Heap<HeapEvent>(minimumCapacity: population)
        var sequence: UInt64 = 0
        for i in 0..<population {
            heap.insert(
                HeapEvent(
                    nanoseconds: distribution.draw(&random), sequence: sequence,
                    payload: HoldPayload(a: UInt64(i), b: 0)))
            sequence += 1
        }
        var hash = TraceHash()
        let start = threadCPUNanoseconds()
        for _ in 0..<operations {
            guard let event = heap.popMin() else { break }
            hash.mix(event.nanoseconds ^ event.payload.a << 40)
            heap.insert(
                HeapEvent(
                    nanoseconds: event.nanoseconds + distribution.draw(&random),
                    sequence: sequence, payload: event.payload))
            sequence += 1
        }
        return Result(nanoseconds: threadCPUNanoseconds() - start, orderHash: hash.value)
    }
}

/// The peer's event: the same 32 bytes, the same order.
private struct HeapEvent: Comparable {
    var nanoseconds: UInt64
    var sequence: UInt64
    var payload: HoldPayload

    static func < (a: HeapEvent, b: HeapEvent) -> Bool {
        a.nanoseconds != b.nanoseconds
            ? a.nanoseconds < b.nanoseconds : a.sequence < b.sequence
    }

    static func == (a: HeapEvent, b: HeapEvent) -> Bool {
        a.nanoseconds == b.nanoseconds && a.sequence == b.sequence
    }
}
