/// Parses the text form: tables here, instructions in an extension.
struct KirTextParser {
    var scanner: KirTextScanner
    var program = Program(name: "", machine: "")
    /// The first entry of each content.
    private var lineIndices: [SourceLine: UInt32] = [SourceLine(file: "", line: 0): 0]
    private var patternIndices: [AccessPattern: UInt32] = [:]
    private var tensorIndices: [String: Int] = [:]
    private var tileIndices = NamedEntries()
    private var loopIndices = NamedEntries()
    /// References to instructions, which may stand further down.
    var instructionReferences: [(index: UInt32, place: KirError.Place)] = []
    var isIterated = false
    private var hasKernel = false
    private var hasMachine = false

    init(_ scanner: KirTextScanner) { self.scanner = scanner }

    /// The program of the whole text.
    mutating func parse() throws(KirError) -> Program {
        try parseVersion()
        while scanner.nextStatement() {
            try parseStatement()
            try scanner.expectLineEnd()
        }
        guard hasKernel, hasMachine else {
            throw scanner.error(
                .syntax, "the text does not name its kernel and its machine",
                remedy: "write lines like: kernel matmul, and: machine trn2")
        }
        let count = program.instructions.count
        for reference in instructionReferences where Int(reference.index) >= count {
            throw KirError(
                .reference, at: reference.place,
                "there is no instruction #\(reference.index): the program has \(count)",
                remedy: "instructions are numbered from 0 in their order")
        }
        if isIterated {
            let known = program.iterationOfInstruction
            program.iterationOfInstruction =
                known + Array(repeating: LoopIteration.none, count: count - known.count)
        }
        return program
    }

    private mutating func parseVersion() throws(KirError) {
        guard scanner.nextStatement(), scanner.word() == "kir" else {
            throw scanner.error(
                .notKir, "the text does not begin with: kir \(KirText.version)",
                remedy: "write that as the first line")
        }
        let place = scanner.place
        let version = try scanner.number("the version")
        guard version == KirText.version else {
            throw KirError(
                .unknownVersion, at: place,
                "the text has version \(version); this reader knows version \(KirText.version)",
                remedy: "read it with the Kapok that wrote it, or write it in that version")
        }
        try scanner.expectLineEnd()
    }

    private mutating func parseStatement() throws(KirError) {
        let start = scanner
        switch scanner.word() {
        case "kernel":
            program.name = try scanner.value("the kernel's name")
            hasKernel = true
        case "machine":
            program.machine = try scanner.value("the machine's name")
            hasMachine = true
        case "parameter":
            let name = try scanner.value("a parameter's name")
            try scanner.expect("=")
            program.parameters.append(
                KernelParameter(name, try scanner.value("the parameter's value")))
        case "source": try parseSource()
        case "tensor": try parseTensor()
        case "tile": try parseTile()
        case "loop": try parseLoop()
        case "iteration": try parseIteration()
        case "iterated": isIterated = true
        case "pattern": try parsePatternEntry()
        case "reason": try parseReasonEntry()
        case let word:
            scanner = start
            try parseInstruction(word)
        }
    }

    // MARK: Tables

    private mutating func parseSource() throws(KirError) {
        let source = try sourceLine()
        let index = UInt32(program.lines.count)
        program.lines.append(source)
        if lineIndices[source] == nil { lineIndices[source] = index }
    }

    /// `File.swift:12`
    private mutating func sourceLine() throws(KirError) -> SourceLine {
        let file = try scanner.value("a file name")
        guard scanner.takesHere(":") else {
            throw scanner.error(
                .syntax, "a colon and a line number are expected here, not \(scanner.seen())",
                remedy: "write the place like: Matmul.swift:12")
        }
        return SourceLine(file: file, line: try scanner.number("a line", in: 0...Int(Int32.max)))
    }

    /// What follows `at`: `File.swift:12` or `#3`. Index of the line.
    mutating func lineReference() throws(KirError) -> UInt32 {
        if scanner.takes("#") {
            return try index(below: program.lines.count, "source line")
        }
        let source = try sourceLine()
        if let known = lineIndices[source] { return known }
        let index = UInt32(program.lines.count)
        lineIndices[source] = index
        program.lines.append(source)
        return index
    }

    /// A number behind `#` that must be an index into a table of `count` entries.
    mutating func index(below count: Int, _ what: String) throws(KirError) -> UInt32 {
        let place = scanner.place
        let index = try scanner.number("the number of a \(what)", in: 0...Int(UInt32.max) - 1)
        guard index < count else {
            throw KirError(
                .reference, at: place, "there is no \(what) #\(index) up to here",
                remedy: "declare it further up; numbers begin with 0")
        }
        return UInt32(index)
    }

    private mutating func parseTensor() throws(KirError) {
        let start = scanner
        let name = try scanner.name("a tensor's name").text
        let role = try choice(KirVocabulary.roles, "a role")
        let type = try elementType()
        var shape: [Int] = []
        try scanner.expect("[")
        while !scanner.takes("]") {
            if !shape.isEmpty { try scanner.expect(",") }
            shape.append(try scanner.number("an extent"))
        }
        let index = program.tensors.count
        let tensor = TensorDeclaration(name: name, shape: shape, type: type, role: role)
        guard tensorIndices.updateValue(index, forKey: name) == nil else {
            throw start.error(
                .malformed, "there is already a tensor named \(name)",
                remedy: "give each tensor a name of its own")
        }
        guard index <= Int(UInt16.max) else {
            throw start.error(
                .tooLarge, "there are more than 65,535 tensors", remedy: "join some of them")
        }
        try refuse(ProgramStructure(program).problem(of: tensor, index), at: start.place)
        program.tensors.append(tensor)
    }

    private mutating func parseTile() throws(KirError) {
        let start = scanner
        let name = try scanner.name("a tile's name").text
        let space = try choice(KirVocabulary.spaces, "a memory space")
        let type = try elementType()
        try expectWord("partitions")
        let partitionStart = try scanner.number("a partition")
        try scanner.expect("+")
        let partitionCount = try scanner.number("a number of partitions")
        try expectWord("bytes")
        let offset = try scanner.number("a byte offset")
        try scanner.expect("+")
        let bytes = try scanner.number("a number of bytes")
        try expectWord("uses")
        let firstUse = UInt32(try scanner.number("an instruction", in: 0...Int(UInt32.max)))
        try scanner.expect("...")
        let lastUse = UInt32(try scanner.number("an instruction", in: 0...Int(UInt32.max)))
        let line = try optionalLine()
        let tile = TileAllocation(
            name: name, space: space, partitionStart: partitionStart,
            partitionCount: partitionCount, offset: offset, bytesPerPartition: bytes, type: type,
            line: line, firstUse: firstUse, lastUse: lastUse)
        try refuse(
            ProgramStructure(program).problem(of: tile, program.tiles.count), at: start.place)
        tileIndices.add(name, program.tiles.count)
        program.tiles.append(tile)
    }

    private mutating func optionalLine() throws(KirError) -> UInt32 {
        guard !scanner.isAtLineEnd() else { return 0 }
        try expectWord("at")
        return try lineReference()
    }

    private mutating func parseLoop() throws(KirError) {
        let name = try scanner.name("a loop's name").text
        let line = try optionalLine()
        loopIndices.add(name, program.loops.count)
        program.loops.append(LoopDeclaration(name: name, line: line))
    }

    private mutating func parseIteration() throws(KirError) {
        let loop = try reference(loopIndices, "loop", count: program.loops.count) { parser, i in
            parser.program.loops[i].name
        }
        let index = try scanner.number("an iteration", in: 0...Int(UInt32.max))
        var parent = LoopIteration.none
        if !scanner.isAtLineEnd() {
            try expectWord("in")
            parent = try iterationReference()
        }
        program.iterations.append(
            LoopIteration(loop: loop, index: UInt32(index), parent: parent))
    }

    /// `#3`: index of an iteration declared further up.
    mutating func iterationReference() throws(KirError) -> UInt32 {
        try scanner.expect("#")
        return try index(below: program.iterations.count, "iteration")
    }

    private mutating func parsePatternEntry() throws(KirError) {
        let place = scanner.place
        let pattern = try pattern()
        try add(pattern, at: place)
    }

    @discardableResult
    private mutating func add(
        _ pattern: AccessPattern, at place: KirError.Place
    ) throws(KirError) -> UInt32 {
        let index = UInt32(program.patterns.count)
        try refuse(ProgramStructure(program).problem(of: pattern, Int(index)), at: place)
        if patternIndices[pattern] == nil { patternIndices[pattern] = index }
        program.patterns.append(pattern)
        return index
    }

    /// An operand: `_`, `#17`, or a pattern, which is numbered when it is new.
    mutating func operand() throws(KirError) -> UInt32 {
        if scanner.takes("#") { return try index(below: program.patterns.count, "pattern") }
        let start = scanner
        if scanner.word() == "_" { return Instruction.noPattern }
        scanner = start
        let pattern = try pattern()
        if let known = patternIndices[pattern] { return known }
        return try add(pattern, at: start.place)
    }

    private func refuse(_ problem: KirError?, at place: KirError.Place) throws(KirError) {
        guard var problem else { return }
        problem.place = place
        problem.remedy = "write smaller, sensible numbers"
        throw problem
    }

    // MARK: References and choices

    /// A tile by name, or by name and number as in `lhs#3`.
    mutating func tileReference() throws(KirError) -> UInt32 {
        try reference(tileIndices, "tile", count: program.tiles.count) { parser, i in
            parser.program.tiles[i].name
        }
    }

    private mutating func reference(
        _ entries: NamedEntries, _ what: String, count: Int,
        name nameOf: (borrowing KirTextParser, Int) -> String
    ) throws(KirError) -> UInt32 {
        let place = scanner.place
        let name = try scanner.name("a \(what)").text
        if scanner.takesHere("#") {
            let index = try index(below: count, what)
            guard nameOf(self, Int(index)) == name else {
                throw KirError(
                    .unknownName, at: place, "\(what) #\(index) is not named \(name)",
                    remedy: "it is named \(nameOf(self, Int(index)))")
            }
            return index
        }
        switch entries[name] {
        case .one(let index): return UInt32(index)
        case .many(let first):
            throw KirError(
                .unknownName, at: place, "there are several \(what)s named \(name)",
                remedy: "add the number of the one that is meant: \(name)#\(first)")
        case nil:
            throw KirError(
                .unknownName, at: place, "there is no \(what) named \(name) up to here",
                remedy: "declare it further up")
        }
    }

    /// The tensor of that name; nil when there is none.
    func tensorIndex(_ name: String) -> Int? { tensorIndices[name] }

    mutating func choice<T: CaseIterable>(
        _ names: KirNames<T>, _ what: String
    ) throws(KirError) -> T {
        let place = scanner.place
        let word = scanner.word()
        if let value = names[word] { return value }
        throw KirError(
            .unknownName, at: place, "\"\(word)\" is not \(what)",
            remedy: "write one of: \(names.list)")
    }

    mutating func elementType() throws(KirError) -> ElementType {
        try choice(KirVocabulary.types, "an element type")
    }

    mutating func expectWord(_ word: String) throws(KirError) {
        let start = scanner
        guard scanner.word() == word else {
            throw start.error(
                .syntax, "\"\(word)\" is expected here", remedy: "see the grammar in docs/kir.md")
        }
    }
}

/// Entries of a table by name, where several may have the same.
private struct NamedEntries {
    enum Match {
        case one(Int)
        case many(first: Int)
    }

    private var matches: [String: Match] = [:]

    subscript(_ name: String) -> Match? { matches[name] }

    mutating func add(_ name: String, _ index: Int) {
        switch matches[name] {
        case nil: matches[name] = .one(index)
        case .one(let first): matches[name] = .many(first: first)
        case .many: break
        }
    }
}
