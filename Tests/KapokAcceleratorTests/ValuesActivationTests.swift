import Glibc
import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Values: functions of the scalar engine")
struct ValuesActivationTests {
    /// Those that FP32 arithmetic does not give exactly.
    private static let inexact = Activation.allCases.filter {
        ValuesReference.exactFunction($0, 0) == nil
    }

    /// The C library's function in FP64.
    private static func wide(_ function: Activation, _ x: Double) -> Double {
        switch function {
        case .exp: exp(x)
        case .ln: log(x)
        case .rsqrt: 1 / x.squareRoot()
        case .sigmoid: 1 / (1 + exp(-x))
        case .silu: x == -.infinity ? -0.0 : x / (1 + exp(-x))
        case .gelu: x == -.infinity ? -0.0 : 0.5 * x * erfc(-x * 0.5.squareRoot())
        case .tanh: tanh(x)
        case .softplus: max(x, 0) + log1p(exp(-abs(x)))
        case .sin: sin(x)
        case .cos: cos(x)
        case .erf: erf(x)
        default: .nan
        }
    }

    /// Special values, all magnitudes, and many of the size that kernels use.
    private static let arguments: [Float] = {
        var stream = RandomStream(seed: 17)
        var values: [Float] = [
            0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude,
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 88.7, 88.8, -103.9, -104.1,
        ]
        for _ in 0..<3000 {
            values.append(Float(bitPattern: UInt32(truncatingIfNeeded: stream.next())))
            values.append(Float(stream.unit() * 40 - 20))
            values.append(Float(stream.unit() * 2 - 1) * Float(stream.unit()))
        }
        return values
    }()

    /// What the executor makes of the arguments.
    private static func results(
        _ function: Activation, _ instructionSet: InstructionSet
    ) throws -> [Float] {
        var builder = ValuesProgram()
        let count = arguments.count
        let x = builder.tensor("x", [1, count], .fp32, .input)
        let y = builder.tensor("y", [1, count], .fp32, .output)
        let tile = builder.tile(.sbuf, .fp32, 1, count)
        let (source, destination) = (builder.hbm(x), builder.hbm(y))
        builder.add(.dmaCopy, on: .sync, to: tile, source)
        builder.add(
            .activation, on: .scalar, to: tile, tile, immediates: (1, -0.0))
        builder.program.instructions[1].operation0 = function.rawValue
        builder.add(.dmaCopy, on: .sync, to: destination, tile)
        var options = ExecutionOptions()
        options.instructionSet = instructionSet
        var executor = try Executor(
            program: builder.program, machine: ValuesProgram.machine(), options: options)
        try executor.setInput("x", values: arguments)
        try executor.run()
        return try executor.values(of: "y")
    }

    @Test(
        "functions are the C library's in FP64, rounded: neighbours at most, and seldom",
        arguments: inexact)
    func accuracy(function: Activation) throws {
        let results = try Self.results(function, .fastest)
        var differences = 0
        for (x, result) in zip(Self.arguments, results) {
            let expected = Float(Self.wide(function, Double(x)))
            if expected.isNaN && result.bitPattern == 0x7FC0_0000 { continue }
            if expected.bitPattern == result.bitPattern { continue }
            differences += 1
            #expect(
                expected.nextUp == result || expected.nextDown == result,
                "\(function) of \(x): \(result) for \(expected)")
        }
        #expect(differences * 1000 < results.count)
    }

    @Test("every instruction set of the host gives the same bits", arguments: Activation.allCases)
    func sameBits(function: Activation) throws {
        let expected = try Self.results(function, .portable).map(\.bitPattern)
        for instructionSet in InstructionSet.allCases where instructionSet.isSupported {
            #expect(try Self.results(function, instructionSet).map(\.bitPattern) == expected)
        }
    }

    @Test("sine and cosine of large numbers are reduced exactly")
    func largeAngles() throws {
        // Of the largest FP32 number, computed with 60 digits.
        let index = try #require(Self.arguments.firstIndex(of: .greatestFiniteMagnitude))
        #expect(try Self.results(.sin, .fastest)[index] == -0.521876523333658540551505357)
        #expect(try Self.results(.cos, .fastest)[index] == 0.853021039830304158051791468)
    }
}
