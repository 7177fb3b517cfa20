import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Numeric: known answers")
struct NumericKnownAnswerTests {
    @Test(
        "largest, smallest normal and smallest subnormal numbers",
        arguments: [
            (ElementType.bf16, Float(3.3895314e38), Float(0x1p-126), Float(0x1p-133)),
            (.fp16, 65_504, 0x1p-14, 0x1p-24),
            (.tf32, 0x1.ffcp127, 0x1p-126, 0x1p-136),
            (.fp8e4m3, 240, 0x1p-6, 0x1p-9),
            (.fp8e4m3fn, 448, 0x1p-6, 0x1p-9),
            (.fp8e5m2, 57_344, 0x1p-14, 0x1p-16),
            (.fp8e3m4, 15.5, 0.25, 0x1p-6),
        ])
    func limits(type: ElementType, largest: Float, normal: Float, subnormal: Float) {
        for value in [largest, normal, subnormal, -largest, -normal, -subnormal] {
            #expect(type.decode(type.encode(value)) == value)
        }
        #expect(type.decode(type.encode(subnormal / 2)) == 0, "a tie goes to the even code, 0")
        #expect(type.decode(type.encode(subnormal / 2 * 1.001)) == subnormal)
        #expect(type.decode(type.encode(subnormal * 1.5)) == 2 * subnormal, "here to code 2")
        #expect(type.encode(-0.0) == 1 << (8 * type.byteCount - 1))
    }

    @Test(
        "codes of some numbers",
        arguments: [
            (ElementType.bf16, Float(1), UInt32(0x3F80)), (.bf16, -3.140625, 0xC049),
            (.bf16, 1.00390625, 0x3F80), (.bf16, 1.01171875, 0x3F82), (.bf16, 3.4e38, 0x7F80),
            (.bf16, .nan, 0x7FC0), (.fp16, 65_519, 0x7BFF), (.fp16, 65_520, 0x7C00),
            (.fp16, -.infinity, 0xFC00), (.fp16, 0.1, 0x2E66), (.tf32, 0.1, 0x3DCC_C000),
            (.fp8e4m3, 1, 0x38), (.fp8e4m3, 247.9, 0x77), (.fp8e4m3, 248, 0x78),
            (.fp8e4m3, .nan, 0x7C), (.fp8e4m3fn, 464, 0x7E), (.fp8e4m3fn, 465, 0x7F),
            (.fp8e4m3fn, .infinity, 0x7F), (.fp8e4m3fn, -.infinity, 0xFF), (.fp8e5m2, 1, 0x3C),
            (.fp8e5m2, 61_439, 0x7B), (.fp8e5m2, 61_440, 0x7C), (.fp8e3m4, 1, 0x30),
            (.fp8e3m4, 15.75, 0x70), (.fp8e3m4, -15.7, 0xEF), (.int8, 2.5, 2), (.int8, 3.5, 4),
            (.int8, -200, 0x80), (.uint8, -1, 0), (.uint8, 255.5, 255), (.int32, .nan, 0),
            (.int32, 3e9, 0x7FFF_FFFF), (.uint32, 3e9, 3_000_000_000),
        ])
    func codes(type: ElementType, value: Float, code: UInt32) {
        #expect(type.encode(value) == code)
        #expect(NumericInputs.codes(type, [value]) == [code], "the array conversion says the same")
    }

    @Test(
        "stochastic rounding goes up as often as the part that is cut off is large",
        arguments: [
            (ElementType.bf16, Float(1 + 0x1p-9)), (.fp16, 1 + 0x1p-12), (.fp8e4m3, 1.03125),
            (.fp8e5m2, 0x1p-18), (.fp8e3m4, 0x1p-8), (.tf32, -1 - 0x1p-12),
        ])
    func stochasticShare(type: ElementType, value: Float) {
        // All of these lie a quarter of the way from one number to the next.
        var stream = RandomStream(seed: 23)
        let draws = 10_000
        let towardsZero = type.encode(value, random: .max)
        var ups = 0
        for _ in 0..<draws {
            let code = type.encode(value, random: UInt32(stream.next() >> 32))
            if code != towardsZero { ups += 1 }
            #expect(code >= towardsZero)
        }
        #expect(abs(ups - draws / 4) < 150, "three standard deviations are 130")
    }

    @Test(
        "stochastic rounding leaves numbers that the type has, and decides by the stated threshold")
    func stochasticThreshold() {
        for code in UInt32(0)..<0x78 {
            let value = ElementType.fp8e4m3.decode(code)
            #expect(ElementType.fp8e4m3.encode(value, random: 0) == code)
        }
        let quarter: Float = 1.03125
        #expect(ElementType.fp8e4m3.encode(quarter, random: 0x3FFF_FFFF) == 0x39)
        #expect(ElementType.fp8e4m3.encode(quarter, random: 0x4000_0000) == 0x38)
        #expect(ElementType.fp8e4m3.encode(247, random: 0) == 0x78, "up to infinity")
        #expect(ElementType.int8.encode(2.5, random: 0) == 2, "integers round to nearest")
    }
}
