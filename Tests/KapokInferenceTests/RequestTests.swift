import KapokInference
import Testing

@Suite struct RequestTests {
    @Test("requests are ordered by the time at which they were asked for")
    func order() {
        #expect([RequestID(3), RequestID(1)].min() == RequestID(1))
    }
}
