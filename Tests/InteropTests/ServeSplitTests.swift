import Foundation
import Testing

/// `kapok serve` with prefill and decode in processes of their own, seen by a client.
@Suite("Interop: prefill and decode roles", .serialized)
struct ServeSplitTests {
    @Test(
        "equal texts from split roles; kill -9 of either loses no request that it need not",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason),
        .enabled(if: ServeClients.openAI, "openai and jsonschema are not installed"))
    func roles() throws { try Script("serve_split.py", minutes: 6, fullMinutes: 25).run() }
}
