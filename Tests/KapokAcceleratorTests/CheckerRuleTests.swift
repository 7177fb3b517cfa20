import Testing

@testable import KapokAccelerator

/// Programs of a few lines in the text form, each under the same declarations.
enum CheckerText {
    static let head = """
        kir 1
        kernel test
        machine trn2
        tensor A input fp32 [256, 512]
        tensor H input bf16 [128, 256]
        tensor C output fp32 [128, 512]
        tensor S scratch fp32 [128, 512]
        tile a sbuf fp32 partitions 0+128 bytes 0+4096 uses 0...0
        tile b sbuf fp32 partitions 0+128 bytes 4096+4096 uses 0...0
        tile h sbuf bf16 partitions 0+128 bytes 8192+4096 uses 0...0
        tile q sbuf fp8e4m3 partitions 0+128 bytes 12288+4096 uses 0...0
        tile p psum fp32 partitions 0+128 bytes 0+4096 uses 0...0
        tile r psum fp32 partitions 0+128 bytes 4096+2048 uses 0...0

        """

    /// A program of these instructions; line `n` of `Test.swift` is the n-th of them.
    static func program(_ instructions: String...) throws -> Program {
        let body = instructions.joined(separator: "\n").split(separator: "\n").enumerated()
            .map { "\($1) at Test.swift:\($0 + 1)" }
        return try KirText.parse(head + body.joined(separator: "\n") + "\n")
    }
}

@Suite("The rules of the machine")
struct CheckerRuleTests {
    private static func diagnostics(_ text: String) throws -> [Diagnostic] {
        ProgramValidator.validate(try CheckerText.program(text), try Machine(.trainium2))
    }

    @Test(
        "instructions that follow the rules raise nothing",
        arguments: [
            "sync.dmaCopy a[0:128, 0:512] <- A[0:128, 0:512] ring=1 signal s7+1",
            "gpsimd.dmaCopy S[0:128, 0:512] <- A[128:256, 0:512]",
            "sync.dmaCopy a[5:7, 0:4] <- a[90:92, 8 + 4x2]",
            "scalar.dmaTranspose h[0:128, 0:64] <- H[0:64, 0:128]",
            "tensor.loadStationary <- a[0:64, 0:128]\n"
                + "tensor.multiplyMoving p[0:128, 0:512] <- b[0:64, 0:512]\n"
                + "tensor.multiplyMoving p[0:128, 0:512] <- b[0:64, 512:1024] accumulate",
            "tensor.loadStationary <- q[0:64, 0:256] doubleRow\n"
                + "tensor.multiplyMoving r[0:128, 0:512] <- q[0:64, 0:1024] doubleRow",
            "tensor.loadStationary <- h[0:64, 0:64]\n"
                + "tensor.multiplyMoving p:bf16[0:32, 0:64] <- h[0:64, 0:32] transpose",
            "vector.tensorTensor a[0:128, 0:512] <- p[0:128, 0:512], b[0:128, 0:512] op0=add",
            "vector.tensorScalar a[32:64, 0:8] <- b[96:128, 0:8], b[0:32, 9] op0=multiply scalar0 "
                + "op1=max i1=-inf",
            "vector.scalarTensorTensor a[0:3, 0:8] <- b[0:3, 0:8], p[0:3, 0:8] op0=add i0=1",
            "vector.tensorReduce a[0:128, 0:4] <- b[0:128, 0 + 4x128 + 128x1] op0=max negate",
            "scalar.activation h[0:128, 0:512] <- p[0:128, 0:512], a[0:128, 0] op0=exp reduces "
                + "i0=0.125",
            "scalar.activation h[0:128, 0:512] <- p[0:128, 0:512], _, a[0:128, 0] op0=exp scalar1 "
                + "i0=1",
            "vector.tensorTensorScan a[0:128, 0:512] <- a[0:128, 0:512], b[0:128, 0:512] op0=add "
                + "op1=multiply",
            "vector.copyPredicated a[0:128, 0:512] <- b[0:128, 0:512], h[0:128, 0:512]",
            "gpsimd.iota a:int32[0:128, 0:512] i0=5 partitionStep=512 elementStep=1",
            "gpsimd.affineSelect a[0:128, 0:512] <- a[0:128, 0:512] op0=greaterEqual i0=-inf "
                + "partitionStep=1 elementStep=-1",
            "vector.max8 a[0:128, 0:8] <- b[0:128, 0:512]\n"
                + "vector.findIndex8 b:uint32[0:128, 0:8] <- a[0:128, 0:8], b[0:128, 8:500]\n"
                + "vector.matchReplace8 b[0:128, 0:512] <- b[0:128, 0:512], a[0:128, 0:8] i0=-inf",
            "vector.bnStats a[0:128, 0:3] <- b[0:128, 0:512]\n"
                + "vector.bnAggregate a[0:128, 3:5] <- a[0:128, 0:3]",
            "gpsimd.partitionReduce a[0:1, 0:512] <- b[0:128, 0:512] op0=add",
            "vector.memset a[0:128, 0:512] i0=nan",
            "sync.nop wait s255>=1",
        ])
    func legal(_ text: String) throws {
        let found = try Self.diagnostics(text)
        #expect(found.isEmpty, "\(found.first?.description ?? "")")
    }

    @Test("a destination that repeats no element may have strides that overlap in reach")
    func interleavedDestination() throws {
        #expect(try Self.diagnostics("vector.memset a[0:128, 0 + 3x2 + 2x5]").isEmpty)
        let repeated = try Self.diagnostics("vector.memset a[0:128, 0 + 3x2 + 2x4]")
        #expect(repeated.map(\.rule) == [.shape])
    }

    @Test(
        "each broken rule is named, with the author's line, a reason and a remedy",
        arguments: [
            // Engines
            ("gpsimd.activation a[0:1, 0] <- b[0:1, 0] op0=exp", .engine, "runs on: scalar"),
            ("tensor.dmaCopy a[0:1, 0] <- A[0:1, 0]", .engine, "sync, scalar, gpsimd"),
            ("vector.iota a:int32[0:1, 0:4]", .engine, "gpsimd"),
            ("gpsimd.tensorCopy a[0:1, 0:4] <- p[0:1, 0:4]", .engine, "cannot reach PSUM"),
            ("vector.tensorTensor a[0:1, 0] <- p[0:1, 0], p[0:1, 1] op0=add", .engine, "from SBUF"),
            ("sync.dmaCopy C[0:1, 0] <- p[0:1, 0]", .engine, "no path to PSUM"),
            ("vector.tensorCopy a[0:1, 0] <- A[0:1, 0]", .engine, "on SBUF and PSUM only"),
            ("tensor.loadStationary <- p[0:1, 0]", .engine, "reads SBUF only"),
            (
                "tensor.loadStationary <- a[0:1, 0]\ntensor.multiplyMoving b[0:1, 0] <- a[0:1, 0]",
                .engine, "writes PSUM only"
            ),
            // Operands
            ("vector.tensorCopy <- b[0:1, 0]", .operand, "needs it"),
            ("vector.tensorTensor a[0:1, 0] <- b[0:1, 0] op0=add", .operand, "needs it"),
            ("vector.tensorCopy a[0:1, 0] <- b[0:1, 0], b[0:1, 1]", .operand, "does not take it"),
            ("vector.tensorScalar a[0:1, 0] <- b[0:1, 0] op0=add scalar1", .operand, "needs it"),
            ("vector.tensorCopy a[0:1, 0] <- b[0:1, 0] negate", .operand, "mean nothing"),
            (
                "vector.tensorReduce a[0:1, 0] <- b[0:1, 0:4] op0=subtract", .operand,
                "add, multiply"
            ),
            ("gpsimd.affineSelect a[0:1, 0] <- a[0:1, 0] op0=add", .operand, "comparison"),
            ("scalar.activation a[0:1, 0] <- b[0:1, 0] op0=99", .operand, "activation function"),
            (
                "scalar.activation a[0:1, 0] <- b[0:1, 0], b[0:1, 1] op0=exp reduces scalar0",
                .operand, "writes its sum to the operand"
            ),
            // Shapes
            ("vector.tensorCopy a[0:1, 0:4] <- b[0:1, 0:5]", .shape, "the same shape"),
            ("vector.tensorCopy a[0:2, 0:4] <- b[0:1, 0:4]", .shape, "the same shape"),
            (
                "vector.tensorScalar a[0:2, 0:4] <- b[0:2, 0:4], b[0:2, 4:6] op0=add scalar0",
                .shape, "one element for each partition"
            ),
            (
                "vector.tensorReduce a[0:1, 0:3] <- b[0:1, 0:4] op0=add", .shape,
                "the outer ones stay"
            ),
            ("vector.max8 a[0:1, 0:8] <- b[0:1, 0:7]", .shape, "eight values at least"),
            ("vector.bnStats a[0:1, 0:2] <- b[0:1, 0:7]", .shape, "mean and squared deviations"),
            ("sync.dmaCopy a[0:2, 0:4] <- A[0:2, 0:5]", .shape, "written once"),
            ("sync.dmaTranspose h[0:4, 0:8] <- H[0:4, 0:8]", .shape, "rows become columns"),
            ("tensor.loadStationary <- a[0:64, 0:129]", .shape, "at most 128 x 128"),
            ("tensor.multiplyMoving p[0:64, 0:4] <- a[0:64, 0:4]", .shape, "holds nothing"),
            (
                "tensor.loadStationary <- a[0:64, 0:8]\n"
                    + "tensor.multiplyMoving p[0:8, 0:4] <- b[0:32, 0:4]",
                .shape, "contraction dimension"
            ),
            (
                "tensor.loadStationary <- a[0:64, 0:8]\n"
                    + "tensor.multiplyMoving p[0:9, 0:4] <- b[0:64, 0:4]",
                .shape, "columns become partitions"
            ),
            (
                "tensor.loadStationary <- a[0:64, 0:8]\n"
                    + "tensor.multiplyMoving p[0:8, 0:4] <- b[0:64, 0:5]",
                .shape, "columns become partitions"
            ),
            ("vector.memset a[0:1, 0 + 4x0]", .shape, "the last of several writes"),
            // Types
            ("tensor.loadStationary <- a:int32[0:64, 0:8]", .type, "floating-point"),
            (
                "tensor.loadStationary <- h[0:64, 0:8]\n"
                    + "tensor.multiplyMoving p[0:8, 0:4] <- b[0:64, 0:4]",
                .type, "four passes"
            ),
            ("tensor.loadStationary <- h[0:64, 0:8] doubleRow", .type, "two FP8 rows"),
            ("vector.findIndex8 a[0:1, 0:8] <- b[0:1, 0:8], b[0:1, 8:99]", .type, "indices"),
            ("vector.bnStats h[0:1, 0:3] <- b[0:1, 0:7]", .type, "FP32"),
            ("sync.dmaTranspose q[0:4, 0:8] <- q[0:8, 8:12]", .type, "2 or 4 bytes"),
            // Places
            ("vector.memset sbuf:fp32[0:1, 57343:57345]", .capacity, "229376 bytes"),
            ("vector.memset psum:fp32[0:1, 4095:4097]", .capacity, "16384 bytes"),
            ("vector.memset a[0:1, 1023:1025]", .capacity, "bytes 0..<4096"),
            ("vector.memset a[0:1, 8 + 4x-1]", .capacity, "must not be negative"),
            ("vector.memset a[0:1, @2 + 4x1]", .capacity, "multiples of 4"),
            ("sync.dmaCopy a[0:1, 0:4] <- A[255:256, 510:514]", .capacity, "524288 bytes"),
            ("sync.dmaCopy a[0:2, 0] <- A[2x-512, 512]", .capacity, "must not be negative"),
            ("sync.dmaCopy C[0:129, 0] <- A[0:129, 0]", .capacity, "262144 bytes"),
            ("sync.dmaCopy sbuf:fp32[64:129, 0] <- A[0:65, 0]", .partitions, "128 partitions"),
            ("vector.memset a[1:2, 0]", .partitions, "at 0, 32, 64 or 96"),
            ("vector.memset a[32:96, 0]", .partitions, "at 0 or 64"),
            ("vector.memset a[32:97, 0]", .partitions, "at 0 only"),
            (
                "tensor.loadStationary <- a[0:64, 0:8]\n"
                    + "tensor.multiplyMoving p[0:8, 256:768] <- b[0:64, 0:512]",
                .bank, "banks 0 to 1"
            ),
            // Rings, semaphores, numbers
            ("sync.dmaCopy a[0:1, 0] <- A[0:1, 0] ring=16", .semaphore, "rings 0 to 15"),
            ("vector.memset a[0:1, 0] ring=1", .semaphore, "only DMA"),
            ("sync.nop wait s256>=1", .semaphore, "semaphores 0 to 255"),
            ("sync.nop signal s256+1", .semaphore, "semaphores 0 to 255"),
            ("scalar.activation a[0:1, 0] <- b[0:1, 0] op0=exp i0=inf", .immediate, "NaN"),
            ("vector.tensorScalar a[0:1, 0] <- b[0:1, 0] op0=add i0=nan", .immediate, "NaN"),
        ] as [(String, Diagnostic.Rule, String)])
    func broken(_ text: String, _ rule: Diagnostic.Rule, _ reason: String) throws {
        let found = try Self.diagnostics(text)
        let diagnostic = try #require(found.first { $0.rule == rule }, "\(found)")
        #expect(found.allSatisfy { $0.rule == rule }, "\(found.map(\.description))")
        #expect(diagnostic.severity == .error)
        #expect(diagnostic.reason.contains(reason), "\(diagnostic)")
        #expect(diagnostic.line?.file == "Test.swift")
        #expect(!diagnostic.remedy.isEmpty)
    }

    @Test("a diagnostic reads like a compiler's: place, severity, problem, reason, remedy")
    func description() throws {
        let found = try Self.diagnostics("vector.memset a[1:2, 0]")
        #expect(
            found.map(\.description) == [
                """
                Test.swift:1: error: memset #0 (vector) accesses 1 partition of tile a (SBUF) from \
                1 on [partitions]
                    why: engines access 1 partition starting at 0, 32, 64 or 96 only
                    remedy: move the operand with a DMA transfer, which can start at any partition
                """
            ])
    }

    @Test("the same fault of one source line is told once, with its number; others are bounded")
    func joined() throws {
        var program = try CheckerText.program("vector.memset a[0:1, 0] ring=1")
        program.instructions = Array(repeating: program.instructions[0], count: 500)
        let machine = try Machine(.trainium2)
        let joined = ProgramValidator.validate(program, machine)
        #expect(joined.count == 1 && joined[0].occurrences == 500)
        for i in program.instructions.indices { program.instructions[i].line = 0 }
        let bounded = ProgramValidator.validate(program, machine)
        #expect(bounded.count == DiagnosticCollector.maximumPerRule + 1)
        #expect(bounded.last?.problem.contains("436 more") == true)
    }

    @Test("a malformed program is refused as a whole; a program for another machine gets a warning")
    func wholeProgram() throws {
        var program = try CheckerText.program("vector.memset a[0:1, 0]")
        let other = ProgramValidator.validate(program, try Machine(.trainium1))
        #expect(other.map(\.severity) == [.warning])
        program.instructions[0].destination = 99
        let found = ProgramValidator.validate(program, try Machine(.trainium2))
        #expect(found.map(\.rule) == [.structure])
    }
}
