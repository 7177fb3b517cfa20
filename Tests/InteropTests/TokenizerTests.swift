import Foundation
import Testing

/// Kapok's tokenizers against those that models were made with.
@Suite("Interop: tokenizers", .serialized)
struct TokenizerTests {
    @Test(
        "token ids are those of HF tokenizers and llama.cpp on 10 MB of mixed text",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason),
        .enabled(if: Self.hasReference, "gguf, numpy and tokenizers are not installed"))
    func compare() throws { try Script("tokenizer_compare.py", minutes: 3, fullMinutes: 30).run() }

    @Test(
        "the Unicode table is that of HF tokenizers",
        .enabled(if: Self.hasReference, "gguf, numpy and tokenizers are not installed"))
    func table() throws { try Script("tokenizer_tables.py", minutes: 2, fullMinutes: 2).run() }

    private static let hasReference: Bool = {
        let modules = "gguf, numpy, tokenizers"
        let status = try? Command([Place.python, "-c", "import \(modules)"], seconds: 60).run()
            .status
        if status != 0 { print("SKIPPED: \(modules) are not installed for \(Place.python)") }
        return status == 0
    }()
}
