import Testing

/// The checks can fail: each is held against text that breaks its rule and text that does not.
@Suite("The rules of the house catch what breaks them")
struct HouseRulesTests {
    private let rules = HouseRules()

    @Test(
        "imports are read in all their forms",
        arguments: [
            ("import NIOCore", "NIOCore"), ("public import KapokWorld", "KapokWorld"),
            ("@testable import KapokS3", "KapokS3"), ("  internal import Crypto", "Crypto"),
            ("@_spi(Testing) public import struct Foundation.Data", "Foundation"),
            ("import func Glibc.memcmp", "Glibc"), ("@preconcurrency import X // why", "X"),
        ])
    func importForms(line: String, module: String) {
        #expect(SourceFile(path: "a.swift", text: "/// A\n\(line)\n").imports == [module])
    }

    @Test("words in comments and strings are no imports")
    func noImports() {
        let text = "// import NIOCore\nlet a = \"import X\"\nimportant()\n"
        #expect(SourceFile(path: "a.swift", text: text).imports.isEmpty)
    }

    @Test(
        "imports that break a rule are caught",
        arguments: [
            ("Sources/KapokWorld/A.swift", "Foundation"),
            ("Sources/KapokWorld/A.swift", "KapokDrive"),
            ("Sources/KapokDrive/Linux/A.swift", "KapokStore"),
            ("Sources/KapokDrive/Core/A.swift", "NIOCore"),
            ("Sources/KapokDrive/Core/A.swift", "FoundationEssentials"),
            ("Sources/KapokDrive/Core/A.swift", "Glibc"),
            ("Sources/KapokStore/Core/A.swift", "KapokLinux"),
            ("Sources/KapokStore/A.swift", "KapokS3"),
            ("Sources/KapokStore/A.swift", "KapokSimulation"),
            ("Sources/KapokLinux/A.swift", "KapokSimulation"),
            ("Sources/KapokRegion/A.swift", "KapokBench"),
            ("Sources/KapokRegion/A.swift", "KapokSimulation"),
            ("Sources/KapokNowhere/A.swift", "KapokWorld"),
        ])
    func badImport(path: String, module: String) {
        let file = SourceFile(path: path, text: "internal import \(module)\n")
        #expect(!rules.importViolations(in: file).isEmpty)
    }

    @Test(
        "imports that keep the rules pass",
        arguments: [
            ("Sources/KapokWorld/A.swift", "HeapModule"),
            ("Sources/KapokDrive/Core/A.swift", "KapokWorld"),
            ("Sources/KapokDrive/Linux/A.swift", "NIOCore"),
            ("Sources/KapokS3/A.swift", "KapokStore"), ("Sources/KapokS3/A.swift", "Crypto"),
            ("Sources/KapokStoreSimulation/A.swift", "KapokSimulation"),
            ("Sources/kapok/A.swift", "KapokStoreSimulation"),
            ("Tests/KapokStoreTests/A.swift", "KapokSimulation"),
        ])
    func goodImport(path: String, module: String) {
        let file = SourceFile(path: path, text: "internal import \(module)\n")
        #expect(rules.importViolations(in: file).isEmpty)
    }

    @Test("names that say nothing are caught, and only those")
    func names() {
        for path in [
            "Sources/KapokUtils/A.swift", "Sources/Common/A.swift", "Sources/A/StringHelpers.swift",
            "Sources/A/Misc.swift", "Tests/util/a.py",
        ] {
            #expect(!rules.nameViolations(in: path).isEmpty, "\(path)")
        }
        for path in ["Sources/KapokS3/Listing.swift", "Sources/A/Utilization.swift"] {
            #expect(rules.nameViolations(in: path).isEmpty, "\(path)")
        }
    }

    @Test("long lines and notes to oneself are caught with their line")
    func lines() {
        let note = "TO" + "DO"
        let long = String(repeating: "x", count: 101)
        let file = SourceFile(path: "a.swift", text: "let a = 1\n\(long)\n// \(note): later\n")
        #expect(rules.lineViolations(in: file) == ["a.swift:2: 101 columns", "a.swift:3: \(note)"])
        let fits = SourceFile(path: "a.swift", text: long.dropFirst() + "\n// todo lists, TODOS\n")
        #expect(rules.lineViolations(in: fits).isEmpty)
    }

    @Test("public declarations without a doc comment are caught")
    func undocumented() {
        let text = """
            public struct A {
                // Not a doc comment.
                public var b: Int { 1 }

                @inlinable
                public func c() {
                }
                public let d = 1
            }
            """
        let found = rules.documentationViolations(in: SourceFile(path: "a.swift", text: text))
        #expect(
            found.map { $0.prefix(10) } == ["a.swift:1:", "a.swift:3:", "a.swift:6:", "a.swift:8:"])
    }

    @Test("documented declarations pass, and what protocols of the standard library ask for")
    func documented() {
        let text = """
            /// A.
            @frozen
            public struct A: Hashable, Comparable {
                /// One of each width.
                @inlinable public func one() { two() }
                public func two() { three() }
                public static func < (a: A, b: A) -> Bool { true }
                public var description: String { "" }

                /**
                 C.
                 */
                @available(*, noasync)
                public func c() {}
                func internalOnly() {}

                public init(a: Int) {}
            }

            public extension A {}

            extension A: Sequence {
                public func makeIterator() -> Iterator { Iterator() }
            }
            """
        let found = rules.documentationViolations(in: SourceFile(path: "a.swift", text: text))
        #expect(found.isEmpty, "\(found)")
    }
}
