import Foundation
import Testing

/// That nothing around a request changes what it is answered.
@Suite("Interop: identical answers", .serialized)
struct ServeIdentityTests {
    @Test(
        "equal bits for any threads, company, cache, chunks, roles and drafts",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason))
    func identity() throws { try Script("serve_identity.py", minutes: 4, fullMinutes: 20).run() }
}
