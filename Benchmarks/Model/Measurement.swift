import Glibc
import KapokModel
import Synchronization

/// How much was done in a nanosecond, in a unit of the work's own.
struct Rate {
    /// By the CPU time of each thread, all threads added: what others do on the machine does not
    /// count, but where it keeps the threads from running at the same time, this one rate of two
    /// threads may be more than they would reach together.
    var cpu: Double
    /// By the time from the first thread's begin to the last one's end.
    var wall: Double
}

/// Runs work on all threads of a pool at the same time and takes the time.
struct Meter {
    let pool: ThreadPool

    var threads: Int { pool.threads }

    /// Calls `work` once on each thread with its number, all at once; it returns how much it did.
    func measure(_ work: (Int) -> Double) -> Rate {
        var samples = [Sample](repeating: Sample(), count: threads)
        let arrived = Atomic<Int>(0)
        samples.withUnsafeMutableBufferPointer { samples in
            pool.run { thread in
                // Whoever comes first waits, or would have the machine for itself for a while.
                arrived.add(1, ordering: .relaxed)
                while arrived.load(ordering: .relaxed) < threads { sched_yield() }
                let begin = nanoseconds(CLOCK_MONOTONIC)
                let cpuBegin = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
                let amount = work(thread)
                let cpu = max(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpuBegin, 1)
                samples[thread] = Sample(
                    amount: amount, cpu: cpu, begin: begin, end: nanoseconds(CLOCK_MONOTONIC))
            }
        }
        let amount = samples.reduce(0) { $0 + $1.amount }
        let begin = samples.reduce(UInt64.max) { min($0, $1.begin) }
        let end = samples.reduce(0) { max($0, $1.end) }
        return Rate(
            cpu: samples.reduce(0) { $0 + $1.amount / Double($1.cpu) },
            wall: amount / Double(max(end - begin, 1)))
    }

    private struct Sample {
        var amount = 0.0
        var cpu: UInt64 = 1
        var begin: UInt64 = 0
        var end: UInt64 = 0
    }
}

/// A limit and a kernel, measured in turns.
struct Share {
    /// Medians over rounds, by CPU time.
    var limit: Double
    var kernel: Double
    /// The best of all rounds.
    var bestLimit: Double
    var bestKernel: Double
    /// The median over rounds of kernel through limit of the same round.
    var share: Double
    /// The same by time, which others on the machine disturb.
    var wallShare: Double

    /// Measures limit, kernel, limit, kernel and so on.
    init(rounds: Int, limit: () -> Rate, kernel: () -> Rate) {
        // One that does not count: caches, page tables and clock rates as they will be.
        var pairs = (0...rounds).map { _ in (limit(), kernel()) }
        pairs.removeFirst()
        self.limit = median(pairs.map { $0.0.cpu })
        self.kernel = median(pairs.map { $0.1.cpu })
        bestLimit = pairs.map { $0.0.cpu }.max() ?? 0
        bestKernel = pairs.map { $0.1.cpu }.max() ?? 0
        share = median(pairs.map { $0.1.cpu / $0.0.cpu })
        wallShare = median(pairs.map { $0.1.wall / $0.0.wall })
    }

    /// The members of a JSON object; `unit` is what rates are counted in.
    func members(_ unit: String) -> String {
        """
        "limit\(unit)":\(digits(limit, 2)),"kernel\(unit)":\(digits(kernel, 2)),\
        "bestLimit\(unit)":\(digits(bestLimit, 2)),"bestKernel\(unit)":\(digits(bestKernel, 2)),\
        "share":\(digits(share, 4)),"wallShare":\(digits(wallShare, 4))
        """
    }
}

private func nanoseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    guard clock_gettime(clock, &time) == 0 else { fatalError("the system lacks clock \(clock)") }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The middle one of `values`; 0 when there are none.
func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[values.count / 2]
}

/// `value` with `count` digits after the point, zero or more.
func digits(_ value: Double, _ count: Int) -> String {
    let scale = (0..<count).reduce(1) { power, _ in power * 10 }
    let whole = Int((value * Double(scale)).rounded())
    if count == 0 { return "\(whole)" }
    let fraction = "\(whole % scale)"
    return "\(whole / scale)." + String(repeating: "0", count: count - fraction.count) + fraction
}

/// `text` filled up with spaces on the left (or on the right for `width` below zero).
func column(_ text: String, _ width: Int) -> String {
    let gap = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? text + gap : gap + text
}
