import ArgumentParser
import Foundation
import KapokAccelerator

/// Where a profile is written besides the terminal.
struct KernelExports: ParsableArguments {
    @Option(help: "Write a trace for Perfetto (ui.perfetto.dev).", completion: .file())
    var trace: String?
    @Option(help: "Write a report for a browser, in one file.", completion: .file())
    var html: String?
    @Option(help: "Write CSV tables into this directory.", completion: .directory)
    var csv: String?
    @Option(
        help: "Where the HTML report finds the text of source lines.", completion: .directory)
    var sources = "."

    /// Whether anything is to be written.
    var isEmpty: Bool { trace == nil && html == nil && csv == nil }

    /// Writes what was asked for.
    func write(_ profile: Profile) throws {
        if let trace { try writeTrace(profile, to: trace) }
        if let html {
            TerminalLine.show("Writing \(html)")
            let texts = SourceTexts(under: sources).texts(for: profile.program.lines)
            try ChipOutput.write(HTMLReport.text(profile, sources: texts), to: html)
        }
        if let csv { try writeTables(profile, into: csv) }
        TerminalLine.clear()
    }

    private func writeTrace(_ profile: Profile, to path: String) throws {
        TerminalLine.show("Writing \(path)")
        let file = try OutputFile(path)
        try PerfettoTrace.write(profile) { block in try file.append(block) }
        try file.close()
    }

    private func writeTables(_ profile: Profile, into directory: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(
                description: "cannot make \(directory): \(error.localizedDescription)")
        }
        for table in CSVReport.Table.allCases {
            let path = "\(directory)/\(table.rawValue).csv"
            TerminalLine.show("Writing \(path)")
            let file = try OutputFile(path)
            try CSVReport.write(table, of: profile) { block in try file.append(block) }
            try file.close()
        }
    }
}

/// A file that is written block by block.
struct OutputFile {
    private let path: String
    private let handle: FileHandle

    init(_ path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw CommandFailure(description: "cannot write \(path)") }
        self.path = path
        self.handle = handle
    }

    func append(_ bytes: [UInt8]) throws {
        do { try handle.write(contentsOf: Data(bytes)) } catch {
            throw CommandFailure(
                description: "cannot write \(path): \(error.localizedDescription)")
        }
    }

    func close() throws { try handle.close() }
}

/// The text of source files that profiles name, found by their last path component.
struct SourceTexts {
    private static let mostFiles = 20_000
    private static let largestFile = 1 << 20

    private var paths: [String: String] = [:]

    init(under directory: String) {
        let options: FileManager.DirectoryEnumerationOptions = [.skipsHiddenFiles]
        guard
            let files = FileManager.default.enumerator(
                at: URL(filePath: directory), includingPropertiesForKeys: nil, options: options)
        else { return }
        var seen = 0
        for case let url as URL in files {
            seen += 1
            guard seen <= Self.mostFiles else { break }
            if url.pathExtension == "swift" { paths[url.lastPathComponent] = url.path }
        }
    }

    /// The text of every file that `lines` name and that was found.
    func texts(for lines: [SourceLine]) -> [String: String] {
        var result: [String: String] = [:]
        for file in Set(lines.map(\.file)) {
            let name = file.split(separator: "/").last.map(String.init) ?? file
            guard let path = paths[name],
                let data = FileManager.default.contents(atPath: path),
                data.count <= Self.largestFile
            else { continue }
            result[file] = String(decoding: data, as: UTF8.self)
        }
        return result
    }
}
