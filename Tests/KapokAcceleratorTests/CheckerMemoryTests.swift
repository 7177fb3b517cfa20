import Foundation
import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("The checker's view of memory")
struct CheckerMemoryTests {
    /// Random patterns, most with gaps, in SBUF or in one tensor; all within bounds.
    private static func patterns(
        _ random: inout RandomStream, _ tensor: TensorDeclaration?
    ) -> [AccessPattern] {
        let types: [ElementType] = [.fp32, .bf16, .int8]
        return (0..<6).map { _ in
            let type = types[random.below(types.count)]
            let strides = [0, 1, 2, 3, 4, 6, 8, 12, 24, 48]
            while true {
                let dimensions = (0..<random.below(4)).map { _ in
                    FreeDimension(
                        count: 1 + random.below(4), stride: strides[random.below(strides.count)])
                }
                var pattern = AccessPattern(
                    tensor == nil ? .sbuf : .hbm, type, partitionCount: 1 + random.below(3),
                    offset: random.below(40) * type.byteCount, dimensions: dimensions)
                if let tensor {
                    pattern.partitionStride = Int32(strides[random.below(strides.count)])
                    let rows =
                        (Int(pattern.partitionCount) - 1) * Int(pattern.partitionStride)
                    let end =
                        Int(pattern.offset) + (rows + pattern.spanElements) * type.byteCount
                    if end > tensor.byteCount { continue }
                } else {
                    pattern.partitionStart = UInt8(random.below(4))
                }
                return pattern
            }
        }
    }

    @Test(
        "two accesses share a cell exactly when they share a byte",
        arguments: [[], [16, 48], [2, 8, 48], [4, 16, 6, 4], [1536]])
    func cellsAreExact(_ shape: [Int]) throws {
        var random = RandomStream(seed: UInt64(41 + shape.count))
        let machine = try Machine(.trainium2)
        var sharing = 0
        var apart = 0
        for _ in 0..<60 {
            var program = Program(name: "k", machine: "trn2")
            let tensor = TensorDeclaration(name: "T", shape: shape, type: .bf16, role: .scratch)
            if !shape.isEmpty { program.tensors = [tensor] }
            program.patterns = Self.patterns(&random, shape.isEmpty ? nil : tensor)
            for i in program.patterns.indices {
                var one = Instruction(.memset, on: .vector)
                one.destination = UInt32(i)
                program.instructions.append(one)
            }
            let map = try CellMap(program, machine)
            let oracle = RaceOracle(program)
            let cells = program.patterns.indices.map { pattern in
                Set((0..<map.cellCount).filter { map.covers(pattern: UInt32(pattern), cell: $0) })
            }
            let bytes = program.patterns.indices.map { oracle.bytes(UInt32($0)) }
            for i in cells.indices {
                let size = cells[i].reduce(0) { sum, cell in
                    let place = map.place(ofCell: cell)
                    return sum + (place.rows.end - place.rows.start)
                        * (place.columns.end - place.columns.start)
                }
                #expect(size == bytes[i].count)
                for j in cells.indices.dropFirst(i + 1) {
                    let isShared = !bytes[i].isDisjoint(with: bytes[j])
                    #expect(cells[i].isDisjoint(with: cells[j]) != isShared)
                    if isShared { sharing += 1 } else { apart += 1 }
                }
            }
        }
        #expect(sharing > 20 && apart > 20)
    }

    @Test("reads of unwritten bytes are exactly those that the oracle finds, whatever is left out")
    func uninitialisedReads() throws {
        var programs = CheckerPrograms(seed: 51)
        var random = RandomStream(seed: 52)
        let machine = try Machine(.trainium2)
        var found = 0
        for _ in 0..<25 {
            var program = programs.next(count: 16)
            for _ in 0..<4 {
                // What it would have written is missing; its signal stays.
                let i = random.below(min(12, program.instructions.count))
                var nop = Instruction(.nop, on: program.instructions[i].engine)
                nop.signal = program.instructions[i].signal
                program.instructions[i] = nop
            }
            let streams = Streams(program)
            let order = try CompletionOrder(
                program, streams, SemaphoreTable(program, streams),
                order: Array(0..<UInt32(program.instructions.count)))
            let trace = MemoryTrace(program, order, try CellMap(program, machine))
            let readers = Set(trace.uninitialised.map { Int($0.instruction) })
            #expect(readers == RaceOracle(program).uninitialisedReaders)
            found += readers.count
        }
        #expect(found > 30)
    }

    @Test("misplaced operands of valid programs are always found")
    func misplacedOperands() throws {
        var programs = CheckerPrograms(seed: 53)
        var random = RandomStream(seed: 54)
        let machine = try Machine(.trainium2)
        for _ in 0..<20 {
            let program = programs.next(count: 12)
            let onChip = program.patterns.indices.filter { program.patterns[$0].space != .hbm }
            let pattern = onChip[random.below(onChip.count)]
            let computes = program.instructions.contains { one in
                !one.opcode.isDMA
                    && OperandUses(one).contains { $0.pattern == UInt32(pattern) }
            }
            func rules(_ change: (inout AccessPattern) -> Void) -> Set<Diagnostic.Rule> {
                var broken = program
                change(&broken.patterns[pattern])
                return Set(
                    ProgramChecker.check(broken, machine).diagnostics
                        .filter { $0.severity == .error }.map(\.rule))
            }
            let size = program.patterns[pattern].space == .sbuf ? 229_376 : 16_384
            #expect(rules { $0.offset = Int64(size - 2) }.contains(.capacity))
            #expect(rules { $0.partitionStart = 127 }.contains(.partitions))
            #expect(rules { $0.partitionStart = 1 }.contains(.partitions) == computes)
        }
    }

    @Test("programs that make no sense are refused or judged, and never crash the checks")
    func nonsense() throws {
        var programs = KirPrograms(seed: 55)
        let machine = try Machine(.trainium2)
        var refused = 0
        for _ in 0..<300 {
            let report = ProgramChecker.check(programs.next(), machine)
            refused += report.isSound ? 0 : 1
            for diagnostic in report.diagnostics {
                #expect(!diagnostic.problem.isEmpty && !diagnostic.remedy.isEmpty)
            }
        }
        #expect(refused > 200)
    }

    @Test("any two flags and any operands on any opcode are judged without a crash")
    func combinations() throws {
        var program = try CheckerText.program("vector.tensorCopy a[0:1, 0:8] <- b[0:1, 0:8]")
        var flags: Set<UInt16> = [0]
        for first in 0..<10 { for second in 0..<10 { flags.insert(1 << first | 1 << second) } }
        for opcode in Opcode.allCases {
            for flag in flags.sorted() {
                for operands in 0..<16 {
                    func operand(_ bit: Int) -> UInt32 {
                        operands >> bit & 1 == 1 ? UInt32(bit % 2) : Instruction.noPattern
                    }
                    var one = Instruction(opcode, on: OpcodeRules.of(opcode).engines[0])
                    one.flags = InstructionFlags(rawValue: flag)
                    one.destination = operand(0)
                    one.source0 = operand(1)
                    one.source1 = operand(2)
                    one.source2 = operand(3)
                    program.instructions.append(one)
                }
            }
        }
        let found = ProgramValidator.validate(program, try Machine(.trainium2))
        #expect(program.instructions.count == 1 + Opcode.allCases.count * 56 * 16)
        #expect(Set(found.map(\.rule)).isSuperset(of: [.operand, .shape, .type]))
    }

    @Test("a pattern of too many pieces is not expanded: a warning says what was not looked at")
    func tooManyPieces() throws {
        var program = Program(name: "k", machine: "trn2")
        program.tensors = [
            TensorDeclaration(name: "C", shape: [1 << 30], type: .int8, role: .output)
        ]
        let half = FreeDimension(count: 1 << 28, stride: 2)
        program.patterns = [
            AccessPattern(.hbm, .int8, partitionCount: 1, dimensions: [half])
        ]
        var one = Instruction(.dmaCopy, on: .sync)
        one.destination = 0
        one.source0 = 0
        program.instructions = [one]
        let report = ProgramChecker.check(program, try Machine(.trainium2))
        #expect(!report.isProvedRaceFree && report.isSound)
        #expect(report.diagnostics.map(\.rule) == [.limit])
    }

    @Test("the example of docs/kir.md parses, and passes all checks")
    func documentedExample() throws {
        let page = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/kir.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let example = try #require(
            text.components(separatedBy: "```").first { $0.hasPrefix("\nkir 1\n") })
        let program = try KirText.parse(example)
        #expect(program.instructions.count == 5)
        let report = ProgramChecker.check(program, try Machine(.trainium2))
        #expect(report.isProvedRaceFree && report.diagnostics.isEmpty)
    }
}
