/// A grammar as instructions for a machine with a stack, as in Thompson's construction: several
/// threads run side by side, each with a stack of its own.
struct GrammarProgram: Sendable {
    /// One instruction. After `call` and `enterLoop` the stack has one more element.
    enum Instruction: Sendable {
        /// Consumes a byte of that set.
        case bytes(set: Int32)
        /// Goes on at each of these places.
        case split([Int32])
        case jump(Int32)
        /// Pushes the place after this one and goes on at the rule.
        case call(Int32)
        /// Goes on at the place on the stack.
        case `return`
        /// Pushes the count 0.
        case enterLoop
        /// With less than `maximum` on the stack goes on behind this one; with at least `minimum`
        /// pops the count and goes on at `exit`.
        case loop(minimum: Int32, maximum: Int32, exit: Int32)
        /// Adds one to the count and goes on at the loop. Counts without a maximum stop at the
        /// minimum.
        case countAndLoop(Int32)
        /// The end of the text.
        case match
    }

    /// Instructions inside of a JSON string between its quotation marks.
    struct StringRegion: Sendable {
        var range: ClosedRange<Int32>
        /// The instruction that takes a plain ASCII character.
        var entry: Int32
        /// The most characters; nil for any number.
        var maximum: Int32?
    }

    private(set) var instructions: [Instruction] = []
    private(set) var sets: [ByteSet] = []
    private(set) var regions: [StringRegion] = []
    /// Bytes that no set tells apart have the same class.
    private(set) var classOf: [UInt8] = []
    private(set) var classCount = 0
    /// For each set and class, whether the set has the class's bytes.
    private(set) var setHasClass: [Bool] = []
    private var setIndex: [ByteSet: Int32] = [:]

    /// The most instructions of a grammar.
    static let limit = 400_000

    /// The program of a constraint.
    init(_ constraint: TextConstraint) throws(GrammarError) {
        try self.init(Grammar(constraint))
    }

    /// The program of a grammar.
    init(_ grammar: Grammar) throws(GrammarError) {
        let grammar = try grammar.pruned()
        try compile(grammar.start)
        try emit(.match)
        var entries: [Int32] = []
        for rule in grammar.rules {
            entries.append(place)
            try compile(rule)
            try emit(.return)
        }
        link(entries)
        classify()
    }

    // MARK: Instructions

    private var place: Int32 { Int32(instructions.count) }

    private mutating func emit(_ instruction: Instruction) throws(GrammarError) {
        guard instructions.count < Self.limit else {
            throw GrammarError(.tooLarge, "the grammar is too large; simplify the schema")
        }
        instructions.append(instruction)
    }

    private mutating func emit(_ set: ByteSet) throws(GrammarError) {
        if let known = setIndex[set] { return try emit(.bytes(set: known)) }
        let index = Int32(sets.count)
        sets.append(set)
        setIndex[set] = index
        try emit(.bytes(set: index))
    }

    private mutating func compile(_ expression: GrammarExpression) throws(GrammarError) {
        switch expression {
        case .empty: break
        case .never: try emit(.split([]))
        case .bytes(let set): try emit(set)
        case .literal(let bytes): for byte in bytes { try emit(ByteSet(byte...byte)) }
        case .scalars(let set): try compile(set)
        case .sequence(let parts): for part in parts { try compile(part) }
        case .choice(let parts):
            try compileChoice(parts.count) { program, index throws(GrammarError) in
                try program.compile(parts[index])
            }
        case .repeated(let body, let minimum, let maximum):
            try compileRepeat(minimum, maximum) { program throws(GrammarError) in
                try program.compile(body)
            }
        case .jsonString(let minimum, let maximum): try compileString(minimum, maximum)
        case .rule(let index): try emit(.call(Int32(index)))
        }
    }

    private mutating func compileChoice(
        _ count: Int, _ part: (inout Self, Int) throws(GrammarError) -> Void
    ) throws(GrammarError) {
        let head = Int(place)
        try emit(.split([]))
        var targets: [Int32] = []
        var jumps: [Int] = []
        for index in 0..<count {
            targets.append(place)
            try part(&self, index)
            if index < count - 1 {
                jumps.append(Int(place))
                try emit(.jump(0))
            }
        }
        for jump in jumps { instructions[jump] = .jump(place) }
        instructions[head] = .split(targets)
    }

    private mutating func compile(_ set: ScalarSet) throws(GrammarError) {
        let sequences = set.byteSequences
        try compileChoice(sequences.count) { program, index throws(GrammarError) in
            for set in sequences[index] { try program.emit(set) }
        }
    }

    private mutating func compileRepeat(
        _ minimum: Int, _ maximum: Int?, _ body: (inout Self) throws(GrammarError) -> Void
    ) throws(GrammarError) {
        if minimum == 1, maximum == 1 { return try body(&self) }
        let start = place
        if minimum == 0, maximum == nil || maximum == 1 {
            try emit(.split([]))
            try body(&self)
            if maximum == nil { try emit(.jump(start)) }
            instructions[Int(start)] = .split([start + 1, place])
            return
        }
        try emit(.enterLoop)
        let loop = place
        try emit(.match)
        try body(&self)
        try emit(.countAndLoop(loop))
        instructions[Int(loop)] = .loop(
            minimum: Int32(minimum), maximum: maximum.map { Int32($0) } ?? .max, exit: place)
    }

    /// Characters of a JSON string as RFC 8259 has them; surrogates are escaped in pairs only.
    private mutating func compileString(_ minimum: Int, _ maximum: Int?) throws(GrammarError) {
        let quote = ByteSet(CollectionOfOne(UInt8(ascii: "\"")))
        try emit(quote)
        if maximum != 0 {
            let first = place
            var entry: Int32 = 0
            try compileRepeat(minimum, maximum) { program throws(GrammarError) in
                // The first alternative of the choice, right behind its split.
                entry = program.place + 1
                try program.compile(JSONText.character)
            }
            regions.append(
                StringRegion(
                    range: first...place, entry: entry, maximum: maximum.map { Int32($0) }))
            // One plain character alone leaves no loop to stay in.
            if minimum == 1, maximum == 1 { regions.removeLast() }
            if minimum == 0, maximum == 1 { regions.removeLast() }
        }
        try emit(quote)
    }

    // MARK: Linking

    private mutating func link(_ entries: [Int32]) {
        for index in instructions.indices {
            guard case .call(let rule) = instructions[index] else { continue }
            let entry = entries[Int(rule)]
            instructions[index] = returns(at: index + 1) ? .jump(entry) : .call(entry)
        }
    }

    /// Whether nothing but a return happens at `place`: then a call needs no place to return to,
    /// and stacks of recursive rules stay short.
    private func returns(at place: Int) -> Bool {
        var place = place
        for _ in 0..<64 {
            switch instructions[place] {
            case .return: return true
            case .jump(let target): place = Int(target)
            default: return false
            }
        }
        return false
    }

    private mutating func classify() {
        var classes: [[Bool]: UInt8] = [:]
        classOf = (0...255).map { byte in
            let membership = sets.map { $0.contains(UInt8(byte)) }
            if let known = classes[membership] { return known }
            let made = UInt8(classes.count)
            classes[membership] = made
            return made
        }
        classCount = classes.count
        setHasClass = [Bool](repeating: false, count: sets.count * classCount)
        for (index, set) in sets.enumerated() {
            for byte in UInt8.min...UInt8.max where set.contains(byte) {
                setHasClass[index * classCount + Int(classOf[Int(byte)])] = true
            }
        }
    }
}
