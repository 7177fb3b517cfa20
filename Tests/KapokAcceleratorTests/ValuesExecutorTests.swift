import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Values: whole programs")
struct ValuesExecutorTests {
    /// y = x^T w, by way of SBUF and PSUM.
    private static func matmul(_ type: ElementType, k: Int, m: Int, n: Int) -> Program {
        var builder = ValuesProgram()
        let x = builder.tensor("x", [k, m], type, .input)
        let w = builder.tensor("w", [k, n], type, .input)
        let y = builder.tensor("y", [m, n], .fp32, .output)
        let left = builder.tile(.sbuf, type, k, m)
        let right = builder.tile(.sbuf, type, k, n, offset: 1024)
        let sum = builder.tile(.psum, .fp32, m, n)
        let result = builder.tile(.sbuf, .fp32, m, n, offset: 8192)
        let sources = (builder.hbm(x), builder.hbm(w))
        builder.add(.dmaCopy, on: .sync, to: left, sources.0)
        builder.add(.dmaCopy, on: .sync, to: right, sources.1)
        builder.add(.loadStationary, on: .tensor, left)
        builder.add(.multiplyMoving, on: .tensor, to: sum, right)
        builder.add(.tensorCopy, to: result, sum)
        let out = builder.hbm(y)
        builder.add(.dmaCopy, on: .sync, to: out, result)
        return builder.program
    }

    @Test(
        "a matrix product of small integers is exact in every type",
        arguments: [
            ElementType.fp32, .tf32, .bf16, .fp16, .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4,
        ])
    func exactProduct(type: ElementType) throws {
        let (k, m, n) = (37, 19, 70)
        var executor = try Executor(
            program: Self.matmul(type, k: k, m: m, n: n), machine: ValuesProgram.machine())
        let x = (0..<k * m).map { Float($0 * 7 % 5 - 2) }
        let w = (0..<k * n).map { Float($0 * 3 % 7 - 3) }
        try executor.setInput("x", values: x)
        try executor.setInput("w", values: w)
        try executor.run()
        let y = try executor.values(of: "y")
        for i in 0..<m {
            for j in 0..<n {
                let sum = (0..<k).reduce(Float(0)) { $0 + x[$1 * m + i] * w[$1 * n + j] }
                #expect(y[i * n + j] == sum)
            }
        }
    }
}
