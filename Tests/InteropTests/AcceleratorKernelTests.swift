import Foundation
import Testing

/// The kernel library from outside: through the command line, and against NumPy.
@Suite("Interop: kernels", .serialized)
struct AcceleratorKernelTests {
    @Test(
        "every kernel computes what NumPy does, through .npy files",
        .enabled(if: NumPy.isThere, "numpy and ml_dtypes are not installed for \(Place.python)"))
    func values() throws {
        try Script("accelerator/kernels_numpy.py", minutes: 5, fullMinutes: 40).run()
    }

    @Test(
        "the fingerprints of conversions are those that NumPy and ml_dtypes give",
        .enabled(if: NumPy.isThere, "numpy and ml_dtypes are not installed for \(Place.python)"))
    func fingerprints() throws {
        let script = Place.clients.appending(path: "accelerator/numeric_fingerprints.py").path
        let table = "Tests/KapokAcceleratorTests/NumericFingerprintTests.swift"
        let words = [
            Place.python, "-B", script, "--check", Place.root.appending(path: table).path,
        ]
        let result = try Command(words, seconds: 300).run()
        #expect(result.status == 0, "\(result.output)")
        let counts = try #require(result.output.firstMatch(of: /(\d+) of (\d+) lines agree/))
        #expect(counts.output.1 == counts.output.2 && counts.output.1 != "0")
    }

    @Test("the command line has an option for every parameter of every kernel")
    func options() throws {
        let list = try kapok(["kernel", "list", "--json"])
        let library = try JSONDecoder().decode(Library.self, from: Data(list.output.utf8))
        try #require(!library.kernels.isEmpty)
        let help = try kapok(["kernel", "build", "--help"]).output
        for kernel in library.kernels {
            for parameter in kernel.parameters {
                let option = parameter.name.reduce(into: "--") { text, letter in
                    text += letter.isUppercase ? "-\(letter.lowercased())" : "\(letter)"
                }
                #expect(help.contains("\(option) "), "\(kernel.name): \(option)")
            }
        }
    }

    @Test("a kernel that breaks rules is refused, and says what to do")
    func refusals() throws {
        let cases = [
            (["kernel", "run", "nothing"], "no kernel of the library"),
            (["kernel", "build", "matmul", "--m", "0"], "m = 0"),
            (["kernel", "build", "softmax", "--heads", "2"], "no parameter heads"),
            (["kernel", "build", "matmul", "--type", "fp7"], "fp7"),
            (["kernel", "profile", "matmul", "--machine", "trn9"], "trn9"),
            (["kernel", "run", "missing.kir"], "cannot read missing.kir"),
        ]
        for (words, expected) in cases {
            let result = try kapok(words)
            #expect(result.status != 0, "\(words)")
            #expect(result.output.contains(expected), "\(words): \(result.output)")
        }
    }

    @Test("a .kir file, binary or text, runs as the kernel that it was built from")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "kapok-kir-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let shape = ["matmul", "--m", "130", "--k", "200", "--n", "300", "--type", "bf16"]
        let whole = try run(shape)
        for form in [[], ["--text"]] {
            let path = folder.appending(path: "kernel\(form.count).kir").path
            let built = try kapok(["kernel", "build"] + shape + ["--output", path] + form)
            try #require(built.status == 0, "\(built.output)")
            let fromFile = try run([path])
            #expect(fromFile.totalTicks == whole.totalTicks)
            #expect(fromFile.instructions == whole.instructions)
            let check = try kapok(["kernel", "check", path])
            #expect(check.status == 0, "\(check.output)")
        }
    }

    @Test("a fault in a program is named with its source line and a remedy", arguments: Fault.all)
    func faults(_ fault: Fault) throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "kapok-\(UUID().uuidString).kir").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let shape = ["matmul", "--m", "130", "--k", "200", "--n", "300", "--schedule", "source"]
        let built = try kapok(["kernel", "build"] + shape + ["--text", "--output", path])
        try #require(built.status == 0, "\(built.output)")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let broken = text.replacingOccurrences(
            of: fault.pattern, with: fault.replacement, options: .regularExpression)
        try #require(broken != text, "the program has no place for \(fault.rule)")
        try broken.write(toFile: path, atomically: true, encoding: .utf8)
        let check = try kapok(["kernel", "check", path])
        #expect(check.status == 1)
        #expect(check.output.contains("[\(fault.rule)]"), "\(check.output)")
        #expect(check.output.contains("MatmulTuned.swift:"), "\(check.output)")
        #expect(check.output.contains("remedy: "), "\(check.output)")
    }

    /// A change to the text of a program that makes it wrong.
    struct Fault: Sendable, CustomTestStringConvertible {
        /// The rule that it breaks.
        var rule: String
        /// A regular expression, and what takes the place of its matches.
        var pattern: String
        var replacement: String

        var testDescription: String { rule }

        static let all = [
            Fault(
                rule: "partitions", pattern: "(tile tile sbuf fp32 partitions )0\\+2 ",
                replacement: "$15+2 "),
            Fault(
                rule: "capacity", pattern: "(tile tile sbuf fp32 partitions 0\\+2 bytes )[0-9]+",
                replacement: "$1228800"),
            Fault(
                rule: "engine", pattern: "(?m)^scalar.tensorCopy",
                replacement: "gpsimd.tensorCopy"),
            Fault(
                rule: "bank", pattern: "(tile sum psum fp32 partitions 0\\+2 bytes )[0-9]+",
                replacement: "$13072"),
            Fault(
                rule: "deadlock", pattern: "wait s7>=1 \\([^)]*\\)", replacement: "wait s7>=9"),
            Fault(
                rule: "race", pattern: "(scalar.tensorCopy .*) wait s1>=2 \\([^)]*\\)",
                replacement: "$1"),
            Fault(
                rule: "uninitialised",
                pattern: "dmaCopy right\\[0:128, 0:300\\] <- rhs\\[0:128, 0:300\\]",
                replacement: "dmaCopy right[0:128, 0:299] <- rhs[0:128, 0:299]"),
        ]
    }

    private func kapok(_ words: [String]) throws -> (status: Int32, output: String) {
        try #require(Place.isProgram(Place.kapok), "\(Place.kapok.path) is not built")
        let result = try Command([Place.kapok.path] + words, seconds: 300).run()
        return (result.status, result.output)
    }

    private func run(_ words: [String]) throws -> Run {
        let result = try kapok(["kernel", "run"] + words + ["--json"])
        try #require(result.status == 0, "\(result.output)")
        return try JSONDecoder().decode(Run.self, from: Data(result.output.utf8))
    }

    private struct Run: Decodable {
        var totalTicks: Int64
        var instructions: Int
    }

    private struct Library: Decodable {
        struct Kernel: Decodable {
            struct Parameter: Decodable { var name: String }

            var name: String
            var parameters: [Parameter]
        }

        var kernels: [Kernel]
    }
}

/// NumPy and ml_dtypes, for the scripts that compare values.
private enum NumPy {
    static let isThere: Bool = {
        let probe = [Place.python, "-c", "import ml_dtypes, numpy"]
        let found = (try? Command(probe, seconds: 60).run().status) == 0
        if !found { print("SKIPPED: numpy and ml_dtypes are not installed for \(Place.python)") }
        return found
    }()
}
