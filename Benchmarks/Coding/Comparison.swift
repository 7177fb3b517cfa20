import Glibc

/// The CPU time of this thread in nanoseconds: what others do on the machine does not count, except
/// for the caches they dirty.
func threadCPUNanoseconds() -> UInt64 {
    var time = timespec()
    guard clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else {
        fatalError("the system has no clock of thread CPU time")
    }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// One thing done by Kapok and by its reference, on the same bytes.
struct Comparison {
    var name: String
    /// Bytes that one repetition goes through.
    var byteCount: Int
    /// Does it so many times.
    var kapok: (Int) -> Void
    var reference: (Int) -> Void
    /// What memory allows: a copy of as many bytes.
    var copy: ((Int) -> Void)?

    /// Rates in GB/s of thread CPU time.
    struct Row {
        var name: String
        var kapok: Double
        var reference: Double
        var copy: Double?

        var ratio: Double { kapok / reference }
    }

    /// Medians over `rounds` rounds. Within a round the contenders follow one another closely and
    /// change places from one to the next, so that a noisy machine disturbs all of them.
    func measure(rounds: Int, bytesPerRound: Int) -> Row {
        let times = max(1, bytesPerRound / byteCount)
        var rates: [[Double]] = [[], [], []]
        let contenders = [kapok, reference] + (copy.map { [$0] } ?? [])
        for contender in contenders { contender(max(1, times / 10)) }
        for round in 0..<rounds {
            for turn in contenders.indices {
                let index = (turn + round) % contenders.count
                let start = threadCPUNanoseconds()
                contenders[index](times)
                let spent = max(1, threadCPUNanoseconds() - start)
                rates[index].append(Double(times) * Double(byteCount) / Double(spent))
            }
        }
        func median(_ index: Int) -> Double { rates[index].sorted()[rates[index].count / 2] }
        return Row(
            name: name, kapok: median(0), reference: median(1), copy: copy == nil ? nil : median(2))
    }
}
