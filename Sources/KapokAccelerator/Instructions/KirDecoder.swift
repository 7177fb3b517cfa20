/// Reads a `.kir` file: header and table of sections first, then each section within its bounds.
struct KirDecoder {
    private let bytes: UnsafeRawBufferPointer
    private var sections: [KirRecords] = []
    private var strings: [String] = []

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The program, not yet checked by ``ProgramStructure``.
    mutating func program() throws(KirError) -> Program {
        try readHeader()
        try readSectionTable()
        try readStrings()
        let kernel = records(.kernel)
        guard kernel.count == 1 else {
            throw malformed(kernel.start, "the kernel section has \(kernel.count) records, not 1")
        }
        var program = Program(
            name: try string(kernel, 0, at: 0), machine: try string(kernel, 0, at: 4))
        try readParameters(&program)
        program.instructions = try instructions()
        program.patterns = try patterns()
        try readTensors(&program)
        try readTiles(&program)
        try readLines(&program)
        try readLoops(&program)
        program.iterationOfInstruction = records(.iterationOfInstruction).all(UInt32.self)
        try readReasons(&program)
        return program
    }

    // MARK: Header and sections

    private func readHeader() throws(KirError) {
        guard bytes.count >= KirFile.magic.count, bytes.starts(with: KirFile.magic) else {
            throw KirError(
                .notKir, at: .byte(0), "this is not a .kir file",
                remedy: "give a file that Kapok or another front end wrote in this format")
        }
        guard bytes.count >= 12 else { throw truncated(needed: KirLayout.headerSize) }
        let header = KirRecords(bytes, start: 0, recordSize: KirLayout.headerSize, count: 1)
        let version: UInt32 = header.get(0, at: 8)
        guard version == KirFile.version else {
            throw KirError(
                .unknownVersion, at: .byte(8),
                "the file has version \(version); this reader knows version \(KirFile.version)",
                remedy: version > KirFile.version
                    ? "read it with a newer Kapok, or have it written in version \(KirFile.version)"
                    : "write it again with this Kapok")
        }
        guard bytes.count >= KirLayout.dataStart else {
            throw truncated(needed: KirLayout.dataStart)
        }
        let sectionCount: UInt32 = header.get(0, at: 12)
        guard sectionCount == UInt32(KirSection.allCases.count) else {
            throw malformed(
                12, "the file has \(sectionCount) sections, not \(KirSection.allCases.count)")
        }
        let size: UInt64 = header.get(0, at: 16)
        guard size <= UInt64(bytes.count) else { throw truncated(needed: Int(clamping: size)) }
        guard size == UInt64(bytes.count) else {
            throw malformed(Int(size), "\(UInt64(bytes.count) - size) bytes follow the file's end")
        }
        guard header.get(0, at: 28) == UInt32(0) else {
            throw malformed(28, "a reserved field is not zero")
        }
        let table = bytes[KirLayout.headerSize..<KirLayout.dataStart]
        try verify(UnsafeRawBufferPointer(rebasing: table), header.get(0, at: 24), at: 24)
    }

    private mutating func readSectionTable() throws(KirError) {
        let table = KirRecords(
            bytes, start: KirLayout.headerSize, recordSize: KirLayout.sectionEntrySize,
            count: KirSection.allCases.count)
        var end = KirLayout.dataStart
        for section in KirSection.allCases {
            let entry = section.position
            let place = KirLayout.headerSize + entry * KirLayout.sectionEntrySize
            guard table.get(entry, at: 0) == section.rawValue,
                table.get(entry, at: 4) == UInt32(section.recordSize),
                table.get(entry, at: 28) == UInt32(0)
            else {
                throw malformed(
                    place,
                    "entry \(entry) is not that of the section \(section) with records of "
                        + "\(section.recordSize) bytes")
            }
            let start = KirLayout.aligned(end)
            let offset: UInt64 = table.get(entry, at: 8)
            let count: UInt64 = table.get(entry, at: 16)
            guard offset == UInt64(start), start <= bytes.count,
                count <= UInt64((bytes.count - start) / section.recordSize)
            else {
                throw malformed(
                    place,
                    "the section \(section) does not lie at byte \(start), inside of the file")
            }
            guard bytes[end..<start].allSatisfy({ $0 == 0 }) else {
                throw malformed(end, "the bytes before the section \(section) are not zero")
            }
            let records = KirRecords(
                bytes, start: start, recordSize: section.recordSize, count: Int(count))
            try verify(records.content, table.get(entry, at: 24), at: place + 24)
            sections.append(records)
            end = start + records.content.count
        }
        guard end == bytes.count else { throw malformed(end, "bytes follow the last section") }
    }

    private func verify(
        _ content: UnsafeRawBufferPointer, _ stored: UInt32, at place: Int
    ) throws(KirError) {
        let computed = kirChecksum(content)
        guard computed == stored else {
            throw KirError(
                .checksum, at: .byte(place),
                "the stored CRC-32 is \(String(stored, radix: 16)), that of the content is "
                    + String(computed, radix: 16),
                remedy: "the file was damaged or changed by hand: write it again")
        }
    }

    private func records(_ section: KirSection) -> KirRecords { sections[section.position] }

    // MARK: Errors

    private func malformed(_ offset: Int, _ problem: String) -> KirError {
        KirError(
            .malformed, at: .byte(offset), problem,
            remedy: "the program that wrote the file does not follow docs/kir.md")
    }

    private func truncated(needed: Int) -> KirError {
        KirError(
            .truncated, at: .byte(bytes.count),
            "the file has \(bytes.count) bytes and should have \(needed)",
            remedy: "it was not copied or written to its end: do that again")
    }

    // MARK: Strings

    private mutating func readStrings() throws(KirError) {
        let lengths = records(.stringLengths)
        let content = records(.stringBytes)
        strings.reserveCapacity(lengths.count)
        var next = 0
        for i in 0..<lengths.count {
            let length = Int(lengths.get(i, at: 0) as UInt32)
            guard length <= content.count - next else {
                throw malformed(
                    lengths.offset(i, 0), "string \(i) reaches beyond the bytes of all strings")
            }
            let utf8 = content.content[next..<next + length]
            guard let string = String(validating: utf8, as: UTF8.self) else {
                throw malformed(content.start + next, "string \(i) is not UTF-8")
            }
            strings.append(string)
            next += length
        }
        guard next == content.count else {
            throw malformed(content.start + next, "bytes follow the last string")
        }
    }

    private func string(
        _ records: KirRecords, _ record: Int, at offset: Int
    ) throws(KirError) -> String {
        let index: UInt32 = records.get(record, at: offset)
        guard index < UInt32(strings.count) else {
            throw malformed(
                records.offset(record, offset), "there is no string \(index)")
        }
        return strings[Int(index)]
    }

    /// A byte that stands for a case of an enumeration.
    private func choice<T: RawRepresentable<UInt8>>(
        _ records: KirRecords, _ record: Int, at offset: Int, _ what: String
    ) throws(KirError) -> T {
        let raw: UInt8 = records.get(record, at: offset)
        guard let value = T(rawValue: raw) else {
            throw malformed(records.offset(record, offset), "\(raw) is no \(what)")
        }
        return value
    }

    private func expectZero<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, _ records: KirRecords, _ record: Int, at offset: Int
    ) throws(KirError) {
        guard records.get(record, at: offset) == T.zero else {
            throw malformed(records.offset(record, offset), "a reserved field is not zero")
        }
    }

    // MARK: Instructions and patterns

    private func instructions() throws(KirError) -> [Instruction] {
        let records = records(.instructions)
        var all: [Instruction] = []
        all.reserveCapacity(records.count)
        for i in 0..<records.count {
            var one = Instruction(
                try choice(records, i, at: 0, "opcode"),
                on: try choice(records, i, at: 1, "engine"))
            try expectZero(UInt8.self, records, i, at: 31)
            one.flags = InstructionFlags(rawValue: records.get(i, at: 2))
            one.destination = records.get(i, at: 4)
            one.source0 = records.get(i, at: 8)
            one.source1 = records.get(i, at: 12)
            one.source2 = records.get(i, at: 16)
            one.immediate0 = Float(bitPattern: records.get(i, at: 20))
            one.immediate1 = Float(bitPattern: records.get(i, at: 24))
            one.operation0 = records.get(i, at: 28)
            one.operation1 = records.get(i, at: 29)
            one.ring = records.get(i, at: 30)
            one.line = records.get(i, at: 32)
            one.wait0 = wait(records, i, at: 36)
            one.wait1 = wait(records, i, at: 44)
            one.wait2 = wait(records, i, at: 52)
            one.signal = records.get(i, at: 60)
            one.signalAmount = records.get(i, at: 62)
            all.append(one)
        }
        return all
    }

    private func wait(_ records: KirRecords, _ record: Int, at offset: Int) -> SemaphoreWait {
        var wait = SemaphoreWait()
        wait.semaphore = records.get(record, at: offset)
        wait.kind = records.get(record, at: offset + 2)
        wait.value = records.get(record, at: offset + 4)
        return wait
    }

    private func patterns() throws(KirError) -> [AccessPattern] {
        let records = records(.patterns)
        var all: [AccessPattern] = []
        all.reserveCapacity(records.count)
        for i in 0..<records.count {
            var one = AccessPattern(
                try choice(records, i, at: 0, "memory space"),
                try choice(records, i, at: 1, "element type"),
                partitionCount: 1, dimensions: [])
            try expectZero(UInt8.self, records, i, at: 3)
            one.partitionStart = records.get(i, at: 2)
            one.partitionCount = records.get(i, at: 4)
            one.tensor = records.get(i, at: 6)
            one.offset = records.get(i, at: 8)
            one.partitionStride = records.get(i, at: 16)
            one.tile = records.get(i, at: 20)
            one.dimension0 = dimension(records, i, at: 24)
            one.dimension1 = dimension(records, i, at: 32)
            one.dimension2 = dimension(records, i, at: 40)
            one.dimension3 = dimension(records, i, at: 48)
            all.append(one)
        }
        return all
    }

    private func dimension(
        _ records: KirRecords, _ record: Int, at offset: Int
    ) -> FreeDimension {
        var dimension = FreeDimension(count: 1, stride: 0)
        dimension.count = records.get(record, at: offset)
        dimension.stride = records.get(record, at: offset + 4)
        return dimension
    }

    // MARK: Other tables

    private func readParameters(_ program: inout Program) throws(KirError) {
        let records = records(.parameters)
        for i in 0..<records.count {
            program.parameters.append(
                KernelParameter(try string(records, i, at: 0), try string(records, i, at: 4)))
        }
    }

    private func readTensors(_ program: inout Program) throws(KirError) {
        let records = records(.tensors)
        let dimensions = self.records(.dimensions)
        var next = 0
        for i in 0..<records.count {
            let rank = Int(records.get(i, at: 6) as UInt16)
            guard rank <= KirLayout.maximumRank, rank <= dimensions.count - next else {
                throw malformed(
                    records.offset(i, 6),
                    "tensor \(i) has \(rank) dimensions: more than \(KirLayout.maximumRank), or "
                        + "more than there are")
            }
            let shape = (next..<next + rank).map { Int(dimensions.get($0, at: 0) as Int64) }
            next += rank
            program.tensors.append(
                TensorDeclaration(
                    name: try string(records, i, at: 0), shape: shape,
                    type: try choice(records, i, at: 4, "element type"),
                    role: try choice(records, i, at: 5, "role of a tensor")))
        }
        guard next == dimensions.count else {
            throw malformed(dimensions.offset(next, 0), "dimensions follow those of all tensors")
        }
    }

    private func readTiles(_ program: inout Program) throws(KirError) {
        let records = records(.tiles)
        program.tiles.reserveCapacity(records.count)
        for i in 0..<records.count {
            try expectZero(UInt16.self, records, i, at: 6)
            try expectZero(UInt32.self, records, i, at: 52)
            program.tiles.append(
                TileAllocation(
                    name: try string(records, i, at: 0),
                    space: try choice(records, i, at: 4, "memory space"),
                    partitionStart: Int(records.get(i, at: 8) as Int64),
                    partitionCount: Int(records.get(i, at: 16) as Int64),
                    offset: Int(records.get(i, at: 24) as Int64),
                    bytesPerPartition: Int(records.get(i, at: 32) as Int64),
                    type: try choice(records, i, at: 5, "element type"),
                    line: records.get(i, at: 40), firstUse: records.get(i, at: 44),
                    lastUse: records.get(i, at: 48)))
        }
    }

    private func readLines(_ program: inout Program) throws(KirError) {
        let records = records(.lines)
        program.lines = []
        program.lines.reserveCapacity(records.count)
        for i in 0..<records.count {
            try expectZero(UInt32.self, records, i, at: 4)
            program.lines.append(
                SourceLine(
                    file: try string(records, i, at: 0),
                    line: Int(records.get(i, at: 8) as Int64)))
        }
    }

    private func readLoops(_ program: inout Program) throws(KirError) {
        let loops = records(.loops)
        for i in 0..<loops.count {
            program.loops.append(
                LoopDeclaration(name: try string(loops, i, at: 0), line: loops.get(i, at: 4)))
        }
        let iterations = records(.iterations)
        program.iterations.reserveCapacity(iterations.count)
        for i in 0..<iterations.count {
            program.iterations.append(
                LoopIteration(
                    loop: iterations.get(i, at: 0), index: iterations.get(i, at: 4),
                    parent: iterations.get(i, at: 8)))
        }
    }

    private func readReasons(_ program: inout Program) throws(KirError) {
        let records = records(.waitReasons)
        program.waitReasons.reserveCapacity(records.count)
        for i in 0..<records.count {
            try expectZero(UInt16.self, records, i, at: 14)
            program.waitReasons.append(
                WaitReason(
                    consumer: records.get(i, at: 0), slot: records.get(i, at: 12),
                    kind: try choice(records, i, at: 13, "kind of dependence"),
                    producer: records.get(i, at: 4), tile: records.get(i, at: 8)))
        }
    }
}

/// An array of fixed-size records inside of a file, whose bounds were checked when it was made.
struct KirRecords {
    let start: Int
    let count: Int
    let content: UnsafeRawBufferPointer
    private let recordSize: Int

    /// The records must lie inside of `bytes`.
    init(_ bytes: UnsafeRawBufferPointer, start: Int, recordSize: Int, count: Int) {
        self.start = start
        self.count = count
        self.recordSize = recordSize
        content = UnsafeRawBufferPointer(rebasing: bytes[start...].prefix(recordSize * count))
    }

    /// Byte in the file of a field.
    func offset(_ record: Int, _ field: Int) -> Int { start + record * recordSize + field }

    @inline(__always)
    func get<T: FixedWidthInteger & BitwiseCopyable>(_ record: Int, at offset: Int) -> T {
        T(
            littleEndian: content.loadUnaligned(
                fromByteOffset: record * recordSize + offset, as: T.self))
    }

    /// All records as integers; each record is one.
    func all<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> [T] {
        (0..<count).map { get($0, at: 0) }
    }
}
