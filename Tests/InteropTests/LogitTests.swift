import Foundation
import Testing

/// What the CPU backend computes against somebody else's arithmetic.
@Suite("Interop: logits", .serialized)
struct LogitTests {
    @Test(
        "logits are those of the graph in NumPy, on weights that gguf-py dequantises",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason),
        .enabled(if: Self.hasReference, "gguf and numpy are not installed"))
    func oracle() throws { try Script("logits_oracle.py", minutes: 4, fullMinutes: 15).run() }

    private static let hasReference: Bool = {
        let status = try? Command([Place.python, "-c", "import gguf, numpy"], seconds: 60).run()
            .status
        if status != 0 { print("SKIPPED: gguf, numpy are not installed for \(Place.python)") }
        return status == 0
    }()
}
