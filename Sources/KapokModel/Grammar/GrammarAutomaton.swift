import Synchronization

/// A grammar's states, found while texts are read: each is a set of threads (instruction, stack),
/// so that reading a byte is one look-up once a transition is known.
final class GrammarAutomaton: Sendable {
    private let store: Mutex<GrammarStates>

    init(program: GrammarProgram, stateLimit: Int = GrammarStates.usualStateLimit) {
        self.store = Mutex(GrammarStates(program: program, stateLimit: stateLimit))
    }

    /// A state's number; numbers of an older generation mean nothing any more.
    struct Place: Sendable {
        var state: Int32
        var generation: Int
    }

    /// What the text may do at a place.
    struct Prospect: Sendable {
        /// Whether the text may end here.
        var canEnd: Bool
        /// Whether it may go on.
        var canContinue: Bool
    }

    var start: Place {
        store.withLock { Place(state: $0.start, generation: $0.generation) }
    }

    func prospect(of place: inout Place, history: [UInt8]) -> Prospect {
        store.withLock { states in
            states.renew(&place, history: history)
            return states.prospect(of: place.state)
        }
    }

    /// The place after `bytes`, which come after `history`; nil when no text goes on like that.
    func advance(
        _ place: inout Place, over bytes: ArraySlice<UInt8>, history: [UInt8]
    ) -> Place? {
        store.withLock { states in
            states.renew(&place, history: history)
            var state = place.state
            for byte in bytes {
                state = states.next(state, byte)
                if state == GrammarStates.dead { return nil }
            }
            return Place(state: state, generation: states.generation)
        }
    }

    /// The tokens whose bytes may come next, without end tokens.
    func mask(
        at place: inout Place, history: [UInt8], vocabulary: TokenVocabulary
    ) -> [UInt64] {
        store.withLock { states in
            states.renew(&place, history: history)
            return states.mask(at: place.state, vocabulary: vocabulary)
        }
    }
}

/// The states of one automaton that are known so far.
struct GrammarStates: Sendable {
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2
    /// With more states than this all are forgotten, and texts are read again from their start.
    static let usualStateLimit = 50_000
    /// Bytes of masks that are kept.
    private static let maskLimit = 64 << 20
    /// Threads of all states together, with the same effect.
    private static let totalThreadLimit = 4_000_000
    /// Threads of one state; further ones are dropped, which forbids texts but never allows any.
    private static let threadLimit = 512
    /// Instructions that finding one mask may cost: some tens of milliseconds. Only expressions
    /// with heavily ambiguous counts come near; tokens beyond it are forbidden.
    private static let workLimit = 2_000_000

    private let program: GrammarProgram
    private let stateLimit: Int
    private(set) var generation = 0
    let start: Int32 = 0

    /// Stacks as lists that share their tails: element 0 is the empty one.
    private var stackValues: [Int32] = []
    private var stackParents: [Int32] = []
    private var stackIndex: [UInt64: Int32] = [:]

    /// Each state's threads, sorted: the instruction above, the stack below.
    private var threads: [[UInt64]] = []
    private var index: [[UInt64]: Int32] = [:]
    private var transitions: [Int32] = []
    private var masks: [Int32: [UInt64]] = [:]
    private var maskBytes = 0
    private var threadCount = 0
    /// Instructions followed so far.
    private var work = 0

    init(program: GrammarProgram, stateLimit: Int) {
        self.program = program
        self.stateLimit = stateLimit
        reset()
    }

    private mutating func reset() {
        stackValues = [0]
        stackParents = [0]
        stackIndex = [:]
        threads = []
        index = [:]
        transitions = []
        masks = [:]
        maskBytes = 0
        threadCount = 0
        _ = intern(closure(of: [0]))
    }

    /// Makes a place one of this generation, and begins a new one when there are too many states.
    mutating func renew(_ place: inout GrammarAutomaton.Place, history: [UInt8]) {
        if threads.count > stateLimit || threadCount > Self.totalThreadLimit {
            generation += 1
            reset()
        }
        guard place.generation != generation else { return }
        place = .init(state: start, generation: generation)
        for byte in history {
            place.state = next(place.state, byte)
            precondition(place.state != Self.dead, "a text that was accepted before")
        }
    }

    func prospect(of state: Int32) -> GrammarAutomaton.Prospect {
        var prospect = GrammarAutomaton.Prospect(canEnd: false, canContinue: false)
        for thread in threads[Int(state)] {
            if case .match = program.instructions[Int(thread >> 32)] {
                prospect.canEnd = true
            } else {
                prospect.canContinue = true
            }
        }
        return prospect
    }

    // MARK: Transitions

    /// The state after a byte.
    mutating func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        let slot = Int(state) * program.classCount + Int(program.classOf[Int(byte)])
        let known = transitions[slot]
        if known != Self.unknown { return known }
        let found = step(state, class: Int(program.classOf[Int(byte)]))
        transitions[slot] = found
        return found
    }

    private mutating func step(_ state: Int32, class byteClass: Int) -> Int32 {
        var moved: [UInt64] = []
        for thread in threads[Int(state)] {
            guard case .bytes(let set) = program.instructions[Int(thread >> 32)],
                program.setHasClass[Int(set) * program.classCount + byteClass]
            else { continue }
            moved.append(thread + 1 << 32)
        }
        guard !moved.isEmpty else { return Self.dead }
        let reached = closure(of: moved)
        return reached.isEmpty ? Self.dead : intern(reached)
    }

    private mutating func intern(_ reached: [UInt64]) -> Int32 {
        if let known = index[reached] { return known }
        let made = Int32(threads.count)
        threads.append(reached)
        threadCount += reached.count
        index[reached] = made
        transitions.append(contentsOf: repeatElement(Self.unknown, count: program.classCount))
        return made
    }

    /// Follows everything that consumes nothing; what is left waits for a byte or has matched.
    private mutating func closure(of seeds: [UInt64]) -> [UInt64] {
        var waiting = seeds
        var seen = Set(seeds)
        var reached: [UInt64] = []
        func thread(_ place: Int32, _ stack: Int32) -> UInt64 {
            UInt64(UInt32(place)) << 32 | UInt64(UInt32(stack))
        }
        func follow(_ place: Int32, _ stack: Int32) {
            let thread = thread(place, stack)
            guard seen.count < Self.threadLimit * 16, seen.insert(thread).inserted else { return }
            waiting.append(thread)
        }
        while let current = waiting.popLast() {
            work += 1
            let place = Int32(current >> 32)
            let stack = Int32(truncatingIfNeeded: current)
            switch program.instructions[Int(place)] {
            case .bytes, .match:
                if reached.count < Self.threadLimit { reached.append(current) }
            case .split(let targets): for target in targets { follow(target, stack) }
            case .jump(let target): follow(target, stack)
            case .call(let entry): follow(entry, push(place + 1, on: stack))
            case .return: follow(stackValues[Int(stack)], stackParents[Int(stack)])
            case .enterLoop: follow(place + 1, push(0, on: stack))
            case .loop(let minimum, let maximum, let exit):
                let count = stackValues[Int(stack)]
                if count < maximum { follow(place + 1, stack) }
                if count >= minimum { follow(exit, stackParents[Int(stack)]) }
            case .countAndLoop(let loop):
                guard case .loop(let minimum, let maximum, _) = program.instructions[Int(loop)]
                else { preconditionFailure("a count without its loop") }
                var count = stackValues[Int(stack)] + 1
                if maximum == .max { count = min(count, minimum) }
                follow(loop, push(count, on: stackParents[Int(stack)]))
            }
        }
        reached.sort()
        return reached
    }

    private mutating func push(_ value: Int32, on stack: Int32) -> Int32 {
        let key = UInt64(UInt32(value)) << 32 | UInt64(UInt32(stack))
        if let known = stackIndex[key] { return known }
        let made = Int32(stackValues.count)
        stackValues.append(value)
        stackParents.append(stack)
        stackIndex[key] = made
        return made
    }

    // MARK: Masks

    mutating func mask(at state: Int32, vocabulary: TokenVocabulary) -> [UInt64] {
        if let known = masks[state] { return known }
        var mask: [UInt64]
        if let room = plainRoom(at: state) {
            mask = vocabulary.plain[min(room, TokenVocabulary.longestPlain)]
            walk(vocabulary.special, from: state, into: &mask)
        } else {
            mask = [UInt64](repeating: 0, count: (vocabulary.count + 63) / 64)
            walk(vocabulary.all, from: state, into: &mask)
        }
        if maskBytes > Self.maskLimit {
            masks = [:]
            maskBytes = 0
        }
        masks[state] = mask
        maskBytes += mask.count * 8
        return mask
    }

    /// How many plain characters may follow, where the state is nothing but the inside of one JSON
    /// string, between characters; nil elsewhere.
    private func plainRoom(at state: Int32) -> Int? {
        let threads = threads[Int(state)]
        guard let first = threads.first else { return nil }
        let place = Int32(first >> 32)
        guard let region = program.regions.first(where: { $0.range.contains(place) }) else {
            return nil
        }
        var entry: UInt64?
        for thread in threads {
            let place = Int32(thread >> 32)
            guard region.range.contains(place) else { return nil }
            if place == region.entry {
                guard entry == nil else { return nil }
                entry = thread
            }
        }
        guard let entry else { return nil }
        guard let maximum = region.maximum else { return .max }
        return Int(maximum - stackValues[Int(Int32(truncatingIfNeeded: entry))])
    }

    /// Adds the tokens of the tree that can be read from `state` on.
    private mutating func walk(_ trie: TokenTrie, from state: Int32, into mask: inout [UInt64]) {
        var path = [Int32](repeating: state, count: trie.maximumDepth + 1)
        var node = 0
        var isEmpty = true
        let workEnd = work + Self.workLimit
        while node < trie.count, work < workEnd || isEmpty {
            let depth = Int(trie.depths[node])
            let reached = next(path[depth - 1], trie.bytes[node])
            guard reached != Self.dead else {
                node = Int(trie.ends[node])
                continue
            }
            path[depth] = reached
            var token = Int(trie.tokenStarts[node])
            let end = Int(trie.tokenStarts[node + 1])
            while token < end {
                let number = Int(trie.tokens[token])
                mask[number >> 6] |= 1 << UInt64(number & 63)
                isEmpty = false
                token += 1
            }
            node += 1
        }
    }
}
