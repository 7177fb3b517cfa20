import ArgumentParser
import Foundation
import KapokAccelerator

/// `kapok kernel`: programs for the accelerator.
struct KernelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernel",
        abstract: "Build, run, profile and check kernels for a Trainium-class core.",
        discussion: """
            A kernel is one of the library (`kapok kernel list`) or a .kir file. Times are those \
            of a simulated core (see `kapok chip describe trn2`), values are computed bit by bit \
            as docs/accelerator.md states.
            """,
        subcommands: [
            List.self, Build.self, Run.self, ProfileKernel.self, Compare.self, Check.self,
        ])
}

extension KernelCommand {
    /// `kapok kernel list`: what the library has.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the kernels, or one with all that it takes.")

        @Argument(help: "A kernel.", completion: .list(KernelLibrary.all.map(\.name)))
        var kernel: String?
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let kernels = try kernel.map { [try KernelSelection.libraryKernel($0)] }
            let shown = kernels ?? KernelLibrary.all
            if json {
                try ChipOutput.printJSON(["kernels": shown.map(KernelDocument.init)])
            } else if let kernel = kernels?.first {
                print(details(kernel))
            } else {
                let head = ["KERNEL", "STEPS", "TYPES", "WHAT"]
                let rows = shown.map { kernel in
                    [
                        kernel.name, kernel.variants.map(\.name).joined(separator: " "),
                        kernel.elementTypes.map(\.name).joined(separator: " "), kernel.summary,
                    ]
                }
                print(TextTable(rows: [head] + rows).text)
            }
        }

        private func details(_ kernel: any LibraryKernel) -> String {
            let parameters = kernel.parameters.map { parameter in
                [
                    KernelShapeOptions.option(parameter.name), "\(parameter.defaultValue)",
                    "\(parameter.range.lowerBound) to \(parameter.range.upperBound)",
                    parameter.meaning,
                ]
            }
            let steps = kernel.variants.map { ["--step \($0.name)", $0.summary] }
            let types = kernel.elementTypes.map(\.name).joined(separator: ", ")
            return [
                "\(kernel.name): \(kernel.summary)",
                TextTable(rows: [["PARAMETER", "DEFAULT", "RANGE", "MEANING"]] + parameters).text,
                TextTable(rows: [["STEP", "WHAT (the first is taken by default)"]] + steps).text,
                "--type: \(types)",
            ].joined(separator: "\n\n")
        }
    }
}

/// A kernel of the library as JSON.
private struct KernelDocument: Encodable {
    struct Parameter: Encodable {
        var name: String
        var defaultValue: Int
        var minimum: Int
        var maximum: Int
        var meaning: String
    }

    struct Step: Encodable {
        var name: String
        var summary: String
    }

    var name: String
    var summary: String
    var parameters: [Parameter]
    var steps: [Step]
    var types: [String]

    init(_ kernel: any LibraryKernel) {
        name = kernel.name
        summary = kernel.summary
        parameters = kernel.parameters.map { parameter in
            Parameter(
                name: parameter.name, defaultValue: parameter.defaultValue,
                minimum: parameter.range.lowerBound, maximum: parameter.range.upperBound,
                meaning: parameter.meaning)
        }
        steps = kernel.variants.map { Step(name: $0.name, summary: $0.summary) }
        types = kernel.elementTypes.map(\.name)
    }
}
