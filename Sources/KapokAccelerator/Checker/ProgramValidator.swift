/// Checks a program against the rules of its machine, one instruction at a time: operands, shapes,
/// types, engines, places in memory, rings and semaphores.
///
/// What goes on between instructions (races, deadlocks, uninitialised reads) is for
/// ``ProgramChecker`` to find.
public enum ProgramValidator {
    /// Everything that breaks a rule, the worst first. A program without errors here can be
    /// simulated. Linear in the program's size.
    public static func validate(_ program: Program, _ machine: Machine) -> [Diagnostic] {
        var collector = DiagnosticCollector(program)
        validate(program, machine, into: &collector)
        return collector.sorted()
    }

    /// Returns whether the program is well-formed at all.
    @discardableResult
    static func validate(
        _ program: Program, _ machine: Machine, into collector: inout DiagnosticCollector
    ) -> Bool {
        if let problem = ProgramStructure(program).firstProblem() {
            collector.addWhole(
                .error, .structure, "the program is malformed: \(problem)",
                why: "nothing can be said about a program whose tables do not fit each other",
                remedy: "mend the front end that made it")
            return false
        }
        if program.machine != machine.description.name {
            collector.addWhole(
                .warning, .engine,
                "the program was made for \(program.machine), not for "
                    + machine.description.name,
                why: "sizes of memories and costs differ",
                remedy: "check and run it with its own machine, or make it again for this one")
        }
        var rules = InstructionRules(program, machine)
        for i in program.instructions.indices { rules.check(i, &collector) }
        return true
    }
}

/// The rules for one instruction after the other.
struct InstructionRules {
    let program: Program
    let machine: Machine
    private var placement: PlacementRules
    /// The last `loadStationary` of the tensor queue.
    private var stationary: Int?

    init(_ program: Program, _ machine: Machine) {
        self.program = program
        self.machine = machine
        placement = PlacementRules(program, machine)
    }

    mutating func check(_ i: Int, _ collector: inout DiagnosticCollector) {
        let one = program.instructions[i]
        checkEngine(one, i, &collector)
        checkSynchronisation(one, i, &collector)
        checkOperations(one, i, &collector)
        guard checkPresence(one, i, &collector) else { return }
        placement.check(one, i, &collector)
        let shape = ShapeRules(program, machine, one, i)
        if one.opcode == .loadStationary { stationary = i }
        shape.check(stationary: stationary, &collector)
        checkImmediates(one, i, &collector)
    }

    private func checkEngine(
        _ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        let engines = OpcodeRules.of(one.opcode).engines
        guard !engines.contains(one.engine) else { return }
        let names = engines.map(\.name).joined(separator: ", ")
        collector.add(
            .error, .engine, at: i, "is on an engine that cannot execute it",
            why: "\(one.opcode.name) runs on: \(names)",
            remedy: "move it to one of these engines")
    }

    private func checkSynchronisation(
        _ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        let isDMA = one.opcode.isDMA
        if isDMA ? Int(one.ring) >= machine.dmaRings : one.ring != 0 {
            collector.add(
                .error, .semaphore, at: i, "names DMA ring \(one.ring)",
                why: isDMA
                    ? "\(machine.description.name) has rings 0 to \(machine.dmaRings - 1)"
                    : "only DMA instructions have a ring",
                remedy: isDMA ? "use one of them" : "set the field to 0")
        }
        for slot in 0..<3 {
            let wait = one.wait(inSlot: slot)
            guard wait.isPresent, Int(wait.semaphore) >= machine.semaphoreCount else { continue }
            addSemaphoreError(wait.semaphore, i, &collector)
        }
        guard one.signal != SemaphoreWait.none else { return }
        if Int(one.signal) >= machine.semaphoreCount {
            addSemaphoreError(one.signal, i, &collector)
        }
        if one.signalAmount == 0 {
            collector.add(
                .warning, .semaphore, at: i, kind: 1, "signals semaphore \(one.signal) by 0",
                why: "that changes nothing: no wait can tell that it has completed",
                remedy: "signal by 1, or do not name a semaphore")
        }
    }

    private func addSemaphoreError(
        _ semaphore: UInt16, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        collector.add(
            .error, .semaphore, at: i, "names semaphore \(semaphore)",
            why: "\(machine.description.name) has semaphores 0 to \(machine.semaphoreCount - 1)",
            remedy: "use one of them; one for each unit and each ring is enough")
    }

    private func checkOperations(
        _ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        let rules = OpcodeRules.of(one.opcode)
        let surplus = one.flags.subtracting(rules.flags)
        if !surplus.isEmpty {
            let names = KirVocabulary.flagNames.filter { surplus.contains($0.flag) }.map(\.name)
            collector.add(
                .error, .operand, at: i, kind: 10, "has flags: " + names.joined(separator: ", "),
                why: "they mean nothing to \(one.opcode.name)", remedy: "clear them")
        }
        let isContradiction =
            one.flags.contains([.transpose, .accumulate])
            || one.flags.contains([.transpose, .doubleRow])
            || one.flags.contains([.reduces, .scalar0])
        if isContradiction {
            collector.add(
                .error, .operand, at: i, kind: 11, "has flags that exclude each other",
                why: "a transposition passes data through and does not add; a fused reduction "
                    + "writes its sum to the operand that the first scalar would need",
                remedy: "clear one of them")
        }
        for (rule, raw, field) in [
            (rules.operation0, one.operation0, "first"),
            (rules.operation1, one.operation1, "second"),
        ] where !rule.allows(raw) {
            collector.add(
                .error, .operand, at: i, kind: 12, "has \(raw) as its \(field) operation",
                why: rule.demand, remedy: "name one that it takes")
        }
    }

    /// Whether all operands that the opcode asks for are there.
    private func checkPresence(
        _ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector
    ) -> Bool {
        let needed = OpcodeRules.operands(of: one)
        var fields = [
            ("destination", one.destination, needed.destination),
            ("source0", one.source0, needed.source0),
        ]
        if !one.opcode.hasCoefficients {
            fields.append(("source1", one.source1, needed.source1))
            fields.append(("source2", one.source2, needed.source2))
        }
        var isComplete = true
        for (name, operand, isNeeded) in fields {
            let isThere = operand != Instruction.noPattern
            guard isThere != isNeeded else { continue }
            if isNeeded { isComplete = false }
            collector.add(
                .error, .operand, at: i, kind: isNeeded ? 1 : 2,
                isNeeded ? "lacks its operand \(name)" : "has an operand \(name)",
                why: "\(one.opcode.name) with these flags "
                    + (isNeeded ? "needs it" : "does not take it"),
                remedy: isNeeded ? "give it one" : "leave it out, or set the flag that uses it")
        }
        return isComplete
    }

    private func checkImmediates(
        _ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        var first = false
        var second = false
        switch one.opcode {
        case .tensorScalar:
            first = !one.flags.contains(.scalar0) && one.operation0 != 0
            second = !one.flags.contains(.scalar1) && one.operation1 != 0
        case .scalarTensorTensor: first = !one.flags.contains(.scalar0) && one.operation0 != 0
        case .tensorTensorScan: first = !one.flags.contains(.scalar0)
        case .activation:
            first = !one.flags.contains(.scalar0)
            second = !one.flags.contains(.scalar1)
        case .iota: first = true
        case .affineSelect: second = true
        default: break
        }
        // Scale and bias of an activation and the numbers of a sequence must be finite; minus
        // infinity as an operand of max, or as a fill value, is common.
        let mustBeFinite = one.opcode == .activation || one.opcode.hasCoefficients
        for (isUsed, value, name) in [
            (first, one.immediate0, "i0"), (second, one.immediate1, "i1"),
        ]
        where isUsed && (mustBeFinite ? !value.isFinite : value.isNaN) {
            collector.add(
                .error, .immediate, at: i, "has \(value) as its immediate operand \(name)",
                why: "every result would be NaN, or undefined",
                remedy: mustBeFinite ? "use a finite number" : "use a number")
        }
    }
}
