import ArgumentParser
import Foundation
import KapokRegion
import KapokStore

/// `kapok store`: looks after the store of a state directory, whether a region runs on it or not.
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look after a store: its state, its drives, its soundness.",
        discussion: """
            When a region runs on the state directory it is asked; otherwise the store is opened \
            for the time of the command. The exit code is 0 when all is well, 1 when a check finds \
            something missing or wrong, and 2 when the command could not do its work.
            """,
        subcommands: [
            Status.self, Drives.self, Check.self, ReplaceDrive.self, RebuildIndex.self,
        ])
}

/// What all subcommands take.
private struct StoreOptionsGroup: ParsableArguments {
    @Option(help: "The state directory. (default: $KAPOK_DATA, else ~/.kapok)")
    var data: String?
    @Flag(help: "Print one JSON object.")
    var json = false

    var directory: String { absolutePath(data ?? defaultDataDirectory()) }

    /// Lends the store to `body` and lets it go; whatever is thrown ends the command with code 2.
    func withStore(_ body: (StoreAdministration) async throws -> Void) async throws {
        try await reportingErrors {
            let store = try StoreAdministration(
                directory: directory, environment: ProcessInfo.processInfo.environment)
            do { try await body(store) } catch {
                await store.close()
                throw error
            }
            await store.close()
        }
    }

    /// Prints what `body` throws on standard error and ends the command with code 2.
    func reportingErrors(_ body: () async throws -> Void) async throws {
        do { try await body() } catch let code as ExitCode {
            throw code
        } catch {
            TerminalLine.clear()
            FileHandle.standardError.write(Data("Error: \(error)\n".utf8))
            throw ExitCode(2)
        }
    }

    /// Prints the document as JSON or as text.
    func show(_ document: some Encodable, _ text: @autoclosure () -> String) throws {
        guard json else { return print(text()) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(document), as: UTF8.self))
    }
}

extension StoreCommand {
    /// `kapok store status`.
    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Show capacity, objects and health.")
        @OptionGroup fileprivate var options: StoreOptionsGroup

        func run() async throws {
            try await options.withStore { store in
                let status = try await store.status()
                try options.show(status, text(status, isRunning: store.isRegionRunning))
            }
        }

        private func text(_ status: StatusDocument, isRunning: Bool) -> String {
            let used =
                status.capacityBytes > 0
                ? Double(status.liveBytes) / Double(status.capacityBytes) * 100 : 0
            var rows = [
                ["region", isRunning ? "running" : "not running"],
                ["objects", "\(status.objects)"],
                ["capacity", sizeText(status.capacityBytes)],
                ["live", "\(sizeText(status.liveBytes)) (\(String(format: "%.1f", used)) %)"],
                ["free", sizeText(status.freeBytes)],
                ["coding", "\(status.dataShards)+\(status.parityShards)"],
                ["drives", "\(status.healthyDrives) healthy, \(status.failedDrives) failed"],
                ["extents", "\(status.extents), \(status.degradedExtents) degraded"],
                ["durability", status.durability],
            ]
            if let reason = status.refusesWrites { rows.append(["read only", reason]) }
            for drive in status.drives {
                if let failure = drive.failure {
                    rows.append(["drive \(drive.position)", "failed: \(failure)"])
                }
            }
            return TextTable(rows: rows).text
        }
    }

    /// `kapok store drives`.
    struct Drives: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drives", abstract: "Show the drives and their health.")
        @OptionGroup fileprivate var options: StoreOptionsGroup

        func run() async throws {
            try await options.withStore { store in
                let document = try await store.drives()
                try options.show(document, text(document.drives))
            }
        }

        private func text(_ drives: [DriveDocument]) -> String {
            let head = ["DRIVE", "STATE", "CAPACITY", "USED", "ID", "PATH"]
            let rows = drives.map { drive in
                let used =
                    drive.slots > 0
                    ? Double(drive.usedSlots) / Double(drive.slots) * 100 : 0
                return [
                    "\(drive.position)", drive.failure.map { "failed: \($0)" } ?? "healthy",
                    sizeText(drive.capacityBytes), String(format: "%.1f %%", used),
                    drive.id ?? "-", drive.path,
                ]
            }
            return TextTable(rows: [head] + rows).text
        }
    }

    /// `kapok store check`.
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract:
                "Read every shard of everything that lives, and say what is missing or wrong.",
            discussion: "Repairs nothing. The exit code is 1 when something is missing or wrong.")
        @OptionGroup fileprivate var options: StoreOptionsGroup

        func run() async throws {
            try await options.withStore { store in
                let document = try await store.check { done, of in
                    TerminalLine.show("\(done) of \(of) stripes")
                }
                TerminalLine.clear()
                try options.show(document, text(document.report))
                if !document.healthy { throw ExitCode(1) }
            }
        }

        private func text(_ report: CheckReport) -> String {
            var parts = [
                TextTable(rows: [
                    ["stripes", "\(report.stripes)"], ["shards", "\(report.shards)"],
                    ["missing", "\(report.missingShards)"], ["corrupt", "\(report.corruptShards)"],
                    ["lost", "\(report.lostStripes) stripes"],
                ]).text
            ]
            let bad = report.drives.filter {
                $0.missing > 0 || $0.corrupt > 0 || $0.failure != nil
            }
            if !bad.isEmpty {
                let rows = bad.map { drive in
                    [
                        "\(drive.position)", "\(drive.missing)", "\(drive.corrupt)",
                        drive.failure.map { "failed: \($0)" } ?? "healthy",
                    ]
                }
                parts.append(
                    TextTable(rows: [["DRIVE", "MISSING", "CORRUPT", "STATE"]] + rows).text)
            }
            if report.affectedKeyCount > 0 {
                parts.append(
                    "Entries that need what is lost: \(report.affectedKeyCount)\n"
                        + report.affectedKeys.map { "  \($0)" }.joined(separator: "\n"))
            }
            parts.append(verdict(report))
            return parts.joined(separator: "\n\n")
        }

        private func verdict(_ report: CheckReport) -> String {
            if report.lostStripes > 0 { return "Data is lost." }
            if report.missingShards + report.corruptShards > 0 {
                return "Every byte can be read, with less redundancy than promised."
            }
            return report.isHealthy ? "Healthy." : "Every byte can be read; a drive has failed."
        }
    }

    /// `kapok store replace-drive`.
    struct ReplaceDrive: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "replace-drive",
            abstract: "Put a new, empty drive in the place of one that has failed.",
            discussion: """
                What the failed drive held is written anew from the others in the background, \
                while a region runs. The old file is kept beside the new one, as drive-NN.failed.
                """)
        @Argument(help: "The drive's position, as `kapok store drives` shows it.")
        var position: Int
        @OptionGroup fileprivate var options: StoreOptionsGroup

        func validate() throws {
            guard position >= 0 else { throw ValidationError("positions begin at 0") }
        }

        func run() async throws {
            try await options.withStore { store in
                let drive = try await store.replaceDrive(position)
                try options.show(
                    drive, "Drive \(drive.position) is new: \(drive.path) (\(drive.id ?? "-")).")
            }
        }
    }

    /// `kapok store rebuild-index`.
    struct RebuildIndex: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rebuild-index",
            abstract: "Make the index anew from the drives alone. No region may run.",
            discussion: "The old index, if there is one, is kept beside it as index.sqlite.old.")
        @OptionGroup fileprivate var options: StoreOptionsGroup

        func run() async throws {
            try await options.reportingErrors {
                let report = try StoreAdministration.rebuildIndex(directory: options.directory) {
                    done, of in TerminalLine.show("\(done) of \(of) extents")
                }
                TerminalLine.clear()
                try options.show(RebuildDocument(report), text(report))
            }
        }

        private func text(_ report: RebuildReport) -> String {
            TextTable(rows: [
                ["entries", "\(report.entries)"], ["chunks", "\(report.chunks)"],
                ["extents", "\(report.extents)"],
                ["stripes", "\(report.stripes), \(report.unreadableStripes) unreadable"],
                ["incomplete blobs", "\(report.incompleteBlobs)"],
            ]).text
        }
    }
}

/// What rebuilding the index came to, as JSON.
private struct RebuildDocument: Encodable {
    var entries: Int
    var chunks: Int
    var extents: Int
    var stripes: Int
    var unreadableStripes: Int
    var incompleteBlobs: Int

    init(_ report: RebuildReport) {
        entries = report.entries
        chunks = report.chunks
        extents = report.extents
        stripes = report.stripes
        unreadableStripes = report.unreadableStripes
        incompleteBlobs = report.incompleteBlobs
    }
}
