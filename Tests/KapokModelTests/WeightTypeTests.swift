import KapokModel
import Testing

@Suite struct WeightTypeTests {
    @Test("rows that are not whole blocks have no size")
    func wholeBlocks() {
        #expect(WeightType.q4_1.bytes(elements: 576) == 360)
        #expect(WeightType.q4_K.bytes(elements: 576) == nil)
        #expect(WeightType.q6_K.bytes(elements: 1536) == 1260)
        #expect(WeightType.f32.bytes(elements: .max) == nil)
    }
}
