import Foundation
import Testing

/// Holds every file of the repository against the rules of the house.
@Suite("The house")
struct HouseTests {
    private let rules = HouseRules()

    private static let root = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The tracked and the new files, or every file where there is no git.
    private static let paths: [String] = {
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(filePath: "/usr/bin/env")
        git.arguments = [
            "git", "-C", root.path, "ls-files", "--cached", "--others", "--exclude-standard",
        ]
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        if (try? git.run()) != nil {
            let data = output.fileHandleForReading.readDataToEndOfFile()
            git.waitUntilExit()
            if git.terminationStatus == 0, !data.isEmpty {
                return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
            }
        }
        let walk = FileManager.default.enumerator(atPath: root.path)
        return (walk?.compactMap { $0 as? String } ?? []).filter { !$0.hasPrefix(".") }
    }()

    private static func file(_ path: String) -> SourceFile? {
        guard let data = FileManager.default.contents(atPath: root.appending(path: path).path)
        else { return nil }
        return SourceFile(path: path, text: String(decoding: data, as: UTF8.self))
    }

    private static func swiftFiles(under folders: String...) -> [SourceFile] {
        paths.filter { path in
            path.hasSuffix(".swift") && folders.contains { path.hasPrefix($0) }
        }.compactMap(file)
    }

    private func expectNone(_ violations: [String]) {
        #expect(violations.isEmpty, "\(violations.joined(separator: "\n"))")
    }

    @Test("a target imports only lower floors, and cores do no I/O")
    func imports() {
        let sources = Self.swiftFiles(under: "Sources/")
        #expect(sources.count > 20)
        expectNone(sources.flatMap(rules.importViolations))
    }

    @Test("every target has a floor, and every floor a target")
    func floors() {
        let targets = Set(
            Self.paths.filter { $0.hasPrefix("Sources/") }
                .compactMap { SourceFile(path: $0, text: "").target })
        #expect(targets == Set(rules.floors.keys))
    }

    @Test("nothing is named after nobody's business")
    func names() {
        let ours = Self.paths.filter { $0.hasPrefix("Sources/") || $0.hasPrefix("Tests/") }
        expectNone(ours.flatMap(rules.nameViolations))
    }

    @Test("lines are at most 100 columns long and hold no notes to oneself")
    func lines() {
        let files = Self.swiftFiles(under: "Sources/", "Tests/", "Benchmarks/", "Package.swift")
        #expect(files.count > 20)
        expectNone(files.flatMap(rules.lineViolations))
    }

    @Test("every public declaration has a doc comment")
    func documentation() {
        expectNone(Self.swiftFiles(under: "Sources/").flatMap(rules.documentationViolations))
    }

    @Test("no file is larger than 1 MiB")
    func sizes() throws {
        for path in Self.paths {
            let full = Self.root.appending(path: path).path
            let size = try? FileManager.default.attributesOfItem(atPath: full)[.size] as? Int
            #expect((size ?? 0) <= rules.maximumBytes, "\(path)")
        }
    }

    @Test("what the package manager writes is not tracked")
    func generated() {
        let generated = Self.paths.filter { path in
            path.hasSuffix("Package.resolved") || path.hasPrefix(".build")
        }
        expectNone(generated)
    }
}
