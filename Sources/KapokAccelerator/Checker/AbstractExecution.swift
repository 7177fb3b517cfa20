/// A run of the program without time: each queue goes on as long as the waits of its next
/// instruction are satisfied. Semaphores only grow, so that the order in which queues take turns
/// does not matter: if this run ends, every run does; where it stops, every run does.
struct AbstractExecution {
    /// Instructions in the order in which they ran: each behind all that it had to wait for.
    private(set) var order: [UInt32] = []
    /// For each engine that could not go on, the instruction that waits forever.
    private(set) var stuck: [UInt32] = []

    /// Linear in the number of instructions.
    init(_ program: Program) {
        var queues = [[UInt32]](repeating: [], count: Engine.allCases.count)
        for (i, one) in program.instructions.enumerated() {
            queues[Int(one.engine.rawValue)].append(UInt32(i))
        }
        order.reserveCapacity(program.instructions.count)
        var next = [Int](repeating: 0, count: queues.count)
        var values: [UInt64] = Array(repeating: 0, count: 1 << 16)
        var goesOn = true
        while goesOn {
            goesOn = false
            for queue in queues.indices {
                while next[queue] < queues[queue].count {
                    let i = queues[queue][next[queue]]
                    let one = program.instructions[Int(i)]
                    guard Self.isReady(one, values) else { break }
                    if one.signal != SemaphoreWait.none {
                        values[Int(one.signal)] += UInt64(one.signalAmount)
                    }
                    order.append(i)
                    next[queue] += 1
                    goesOn = true
                }
            }
        }
        for queue in queues.indices where next[queue] < queues[queue].count {
            stuck.append(queues[queue][next[queue]])
        }
    }

    private static func isReady(_ one: Instruction, _ values: [UInt64]) -> Bool {
        isReached(one.wait0, values) && isReached(one.wait1, values) && isReached(one.wait2, values)
    }

    private static func isReached(_ wait: SemaphoreWait, _ values: [UInt64]) -> Bool {
        !wait.isPresent || values[Int(wait.semaphore)] >= UInt64(wait.value)
    }
}
