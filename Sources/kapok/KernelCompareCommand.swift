import ArgumentParser
import Foundation
import KapokAccelerator

extension KernelCommand {
    /// `kapok kernel compare`: what changed from one kernel to another.
    struct Compare: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "compare",
            abstract: "Profile two kernels, and say where their times differ.",
            discussion: """
                Each is a .kir file, or a kernel of the library with its options after a colon:

                  kapok kernel compare matmul:step=v2,m=1024,k=1024,n=1024 \\
                      matmul:step=v5,m=2048,k=1024,n=1024
                """)

        @Argument(help: "The kernel to start from.") var before: String
        @Argument(help: "The kernel to compare it with.") var after: String
        @Option(help: "Rows of the table of source lines.")
        var top = 10
        @Flag(help: "Print one JSON object.")
        var json = false

        func validate() throws {
            guard (1...10_000).contains(top) else {
                throw ValidationError("--top is between 1 and 10000")
            }
        }

        func run() async throws {
            TerminalLine.show("Simulating \(before)")
            let first = try Self.load(before).profile()
            TerminalLine.show("Simulating \(after)")
            let second = try Self.load(after).profile()
            TerminalLine.clear()
            print(
                json
                    ? ComparisonReport.json(first, second)
                    : ComparisonReport.text(first, second, rows: top),
                terminator: "")
        }

        /// Reads `matmul:step=v2,m=1024` by the same rules as the options of other commands.
        private static func load(_ text: String) throws -> LoadedKernel {
            guard let colon = text.firstIndex(of: ":"),
                KernelLibrary.named(String(text[..<colon])) != nil
            else { return try KernelSelection.parse([text]).load() }
            var arguments = [String(text[..<colon])]
            for setting in text[text.index(after: colon)...].split(separator: ",") {
                guard let equals = setting.firstIndex(of: "=") else {
                    throw CommandFailure(description: "'\(setting)' in '\(text)': write NAME=VALUE")
                }
                arguments += [
                    KernelShapeOptions.option(String(setting[..<equals])),
                    String(setting[setting.index(after: equals)...]),
                ]
            }
            return try KernelSelection.parse(arguments).load()
        }
    }
}
