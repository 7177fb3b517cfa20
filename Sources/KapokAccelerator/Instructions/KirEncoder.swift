/// Writes a program as a `.kir` file: lays out the sections, then fills their records.
struct KirEncoder {
    private let program: Program
    private var strings = StringInterner()
    private var counts = [Int](repeating: 0, count: KirSection.allCases.count)
    private var offsets = [Int](repeating: 0, count: KirSection.allCases.count)
    private var size = 0
    private var kernelNames: (name: UInt32, machine: UInt32) = (0, 0)
    private var parameterNames: [UInt32] = []
    private var tensorNames: [UInt32] = []
    private var tileNames: [UInt32] = []
    private var files: [UInt32] = []
    private var loopNames: [UInt32] = []

    init(_ program: Program) {
        self.program = program
        internStrings()
        layOut()
    }

    private mutating func internStrings() {
        kernelNames = (strings.index(of: program.name), strings.index(of: program.machine))
        for parameter in program.parameters {
            parameterNames.append(strings.index(of: parameter.name))
            parameterNames.append(strings.index(of: parameter.value))
        }
        for tensor in program.tensors { tensorNames.append(strings.index(of: tensor.name)) }
        for tile in program.tiles { tileNames.append(strings.index(of: tile.name)) }
        for line in program.lines { files.append(strings.index(of: line.file)) }
        for loop in program.loops { loopNames.append(strings.index(of: loop.name)) }
    }

    private mutating func layOut() {
        func set(_ section: KirSection, _ count: Int) { counts[section.position] = count }
        set(.kernel, 1)
        set(.parameters, program.parameters.count)
        set(.instructions, program.instructions.count)
        set(.patterns, program.patterns.count)
        set(.tensors, program.tensors.count)
        set(.dimensions, program.tensors.reduce(0) { $0 + $1.shape.count })
        set(.tiles, program.tiles.count)
        set(.lines, program.lines.count)
        set(.loops, program.loops.count)
        set(.iterations, program.iterations.count)
        set(.iterationOfInstruction, program.iterationOfInstruction.count)
        set(.waitReasons, program.waitReasons.count)
        set(.stringLengths, strings.all.count)
        set(.stringBytes, strings.all.reduce(0) { $0 + $1.utf8.count })
        var offset = KirLayout.dataStart
        for section in KirSection.allCases {
            offset = KirLayout.aligned(offset)
            offsets[section.position] = offset
            offset += counts[section.position] * section.recordSize
        }
        size = offset
    }

    /// The whole file.
    func file() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            fillSections(bytes)
            fillTable(bytes)
            count = size
        }
    }

    private func records(
        _ section: KirSection, in bytes: UnsafeMutableRawBufferPointer
    ) -> KirRecordWriter {
        KirRecordWriter(
            UnsafeMutableRawBufferPointer(rebasing: bytes[range(of: section)]),
            recordSize: section.recordSize)
    }

    private func range(of section: KirSection) -> Range<Int> {
        let start = offsets[section.position]
        return start..<start + counts[section.position] * section.recordSize
    }

    private func fillTable(_ bytes: UnsafeMutableRawBufferPointer) {
        let table = KirRecordWriter(
            UnsafeMutableRawBufferPointer(
                rebasing: bytes[KirLayout.headerSize..<KirLayout.dataStart]),
            recordSize: KirLayout.sectionEntrySize)
        for section in KirSection.allCases {
            let checksum = kirChecksum(UnsafeRawBufferPointer(rebasing: bytes[range(of: section)]))
            let entry = section.position
            table.put(section.rawValue, entry, at: 0)
            table.put(UInt32(section.recordSize), entry, at: 4)
            table.put(UInt64(offsets[entry]), entry, at: 8)
            table.put(UInt64(counts[entry]), entry, at: 16)
            table.put(checksum, entry, at: 24)
        }
        let header = KirRecordWriter(
            UnsafeMutableRawBufferPointer(rebasing: bytes[0..<KirLayout.headerSize]),
            recordSize: KirLayout.headerSize)
        bytes.copyBytes(from: KirFile.magic)
        header.put(KirFile.version, 0, at: 8)
        header.put(UInt32(KirSection.allCases.count), 0, at: 12)
        header.put(UInt64(size), 0, at: 16)
        let checksum = kirChecksum(
            UnsafeRawBufferPointer(rebasing: bytes[KirLayout.headerSize..<KirLayout.dataStart]))
        header.put(checksum, 0, at: 24)
    }

    private func fillSections(_ bytes: UnsafeMutableRawBufferPointer) {
        let kernel = records(.kernel, in: bytes)
        kernel.put(kernelNames.name, 0, at: 0)
        kernel.put(kernelNames.machine, 0, at: 4)
        records(.parameters, in: bytes).putAll(parameterNames)
        fillInstructions(records(.instructions, in: bytes))
        fillPatterns(records(.patterns, in: bytes))
        fillTensors(records(.tensors, in: bytes), records(.dimensions, in: bytes))
        fillTiles(records(.tiles, in: bytes))
        fillLines(records(.lines, in: bytes), records(.loops, in: bytes))
        let iterations = records(.iterations, in: bytes)
        for (i, iteration) in program.iterations.enumerated() {
            iterations.put(iteration.loop, i, at: 0)
            iterations.put(iteration.index, i, at: 4)
            iterations.put(iteration.parent, i, at: 8)
        }
        records(.iterationOfInstruction, in: bytes).putAll(program.iterationOfInstruction)
        fillReasons(records(.waitReasons, in: bytes))
        records(.stringLengths, in: bytes).putAll(strings.all.map { UInt32($0.utf8.count) })
        var next = offsets[KirSection.stringBytes.position]
        for string in strings.all {
            bytes[next...].copyBytes(from: string.utf8)
            next += string.utf8.count
        }
    }

    private func fillInstructions(_ records: KirRecordWriter) {
        program.instructions.withUnsafeBufferPointer { instructions in
            for i in 0..<instructions.count {
                let one = instructions[i]
                records.put(one.opcode.rawValue, i, at: 0)
                records.put(one.engine.rawValue, i, at: 1)
                records.put(one.flags.rawValue, i, at: 2)
                records.put(one.destination, i, at: 4)
                records.put(one.source0, i, at: 8)
                records.put(one.source1, i, at: 12)
                records.put(one.source2, i, at: 16)
                records.put(one.immediate0.bitPattern, i, at: 20)
                records.put(one.immediate1.bitPattern, i, at: 24)
                records.put(one.operation0, i, at: 28)
                records.put(one.operation1, i, at: 29)
                records.put(one.ring, i, at: 30)
                records.put(one.line, i, at: 32)
                fillWait(one.wait0, records, i, at: 36)
                fillWait(one.wait1, records, i, at: 44)
                fillWait(one.wait2, records, i, at: 52)
                records.put(one.signal, i, at: 60)
                records.put(one.signalAmount, i, at: 62)
            }
        }
    }

    private func fillWait(
        _ wait: SemaphoreWait, _ records: KirRecordWriter, _ i: Int, at offset: Int
    ) {
        records.put(wait.semaphore, i, at: offset)
        records.put(wait.kind, i, at: offset + 2)
        records.put(wait.value, i, at: offset + 4)
    }

    private func fillPatterns(_ records: KirRecordWriter) {
        program.patterns.withUnsafeBufferPointer { patterns in
            for i in 0..<patterns.count {
                let one = patterns[i]
                records.put(one.space.rawValue, i, at: 0)
                records.put(one.type.rawValue, i, at: 1)
                records.put(one.partitionStart, i, at: 2)
                records.put(one.partitionCount, i, at: 4)
                records.put(one.tensor, i, at: 6)
                records.put(one.offset, i, at: 8)
                records.put(one.partitionStride, i, at: 16)
                records.put(one.tile, i, at: 20)
                records.put(one.dimension0.count, i, at: 24)
                records.put(one.dimension0.stride, i, at: 28)
                records.put(one.dimension1.count, i, at: 32)
                records.put(one.dimension1.stride, i, at: 36)
                records.put(one.dimension2.count, i, at: 40)
                records.put(one.dimension2.stride, i, at: 44)
                records.put(one.dimension3.count, i, at: 48)
                records.put(one.dimension3.stride, i, at: 52)
            }
        }
    }

    private func fillTensors(_ records: KirRecordWriter, _ dimensions: KirRecordWriter) {
        var next = 0
        for (i, tensor) in program.tensors.enumerated() {
            records.put(tensorNames[i], i, at: 0)
            records.put(tensor.type.rawValue, i, at: 4)
            records.put(tensor.role.rawValue, i, at: 5)
            records.put(UInt16(clamping: tensor.shape.count), i, at: 6)
            for extent in tensor.shape {
                dimensions.put(Int64(extent), next, at: 0)
                next += 1
            }
        }
    }

    private func fillTiles(_ records: KirRecordWriter) {
        for (i, tile) in program.tiles.enumerated() {
            records.put(tileNames[i], i, at: 0)
            records.put(tile.space.rawValue, i, at: 4)
            records.put(tile.type.rawValue, i, at: 5)
            records.put(Int64(tile.partitionStart), i, at: 8)
            records.put(Int64(tile.partitionCount), i, at: 16)
            records.put(Int64(tile.offset), i, at: 24)
            records.put(Int64(tile.bytesPerPartition), i, at: 32)
            records.put(tile.line, i, at: 40)
            records.put(tile.firstUse, i, at: 44)
            records.put(tile.lastUse, i, at: 48)
        }
    }

    private func fillLines(_ records: KirRecordWriter, _ loops: KirRecordWriter) {
        for (i, line) in program.lines.enumerated() {
            records.put(files[i], i, at: 0)
            records.put(Int64(line.line), i, at: 8)
        }
        for (i, loop) in program.loops.enumerated() {
            loops.put(loopNames[i], i, at: 0)
            loops.put(loop.line, i, at: 4)
        }
    }

    private func fillReasons(_ records: KirRecordWriter) {
        for (i, reason) in program.waitReasons.enumerated() {
            records.put(reason.consumer, i, at: 0)
            records.put(reason.producer, i, at: 4)
            records.put(reason.tile, i, at: 8)
            records.put(reason.slot, i, at: 12)
            records.put(reason.kind.rawValue, i, at: 13)
        }
    }
}

/// Gives each different string a number, in order of first use.
private struct StringInterner {
    private(set) var all: [String] = []
    private var indices: [String: UInt32] = [:]

    mutating func index(of string: String) -> UInt32 {
        // Source lines come in runs of one file.
        if let last = all.last, last == string { return UInt32(all.count - 1) }
        if let known = indices[string] { return known }
        let index = UInt32(all.count)
        indices[string] = index
        all.append(string)
        return index
    }
}

/// Writes fields of an array of fixed-size records, little-endian.
struct KirRecordWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private let recordSize: Int

    init(_ bytes: UnsafeMutableRawBufferPointer, recordSize: Int) {
        self.bytes = bytes
        self.recordSize = recordSize
    }

    @inline(__always)
    func put<T: FixedWidthInteger>(_ value: T, _ record: Int, at offset: Int) {
        bytes.storeBytes(
            of: value.littleEndian, toByteOffset: record * recordSize + offset, as: T.self)
    }

    /// Values one after the other, from the first record on.
    func putAll<T: FixedWidthInteger>(_ values: [T]) {
        let size = MemoryLayout<T>.size
        for (i, value) in values.enumerated() {
            bytes.storeBytes(of: value.littleEndian, toByteOffset: i * size, as: T.self)
        }
    }
}
