import ArgumentParser
import Foundation

/// `kapok chip`: the chip around the kernels.
struct ChipCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chip",
        abstract: "Look at the chip: its figures, its systolic array, its power, its package.",
        subcommands: [Describe.self, Systolic.self, Power.self, Package.self])
}

/// How `kapok chip` prints and writes.
enum ChipOutput {
    /// Prints a document as one JSON object, keys in order.
    static func printJSON(_ document: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(document), as: UTF8.self))
    }

    /// Writes a text file.
    static func write(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(filePath: path)) } catch {
            throw CommandFailure(
                description: "cannot write \(path): \(error.localizedDescription)")
        }
    }

    /// A share of 1 as per cent: `87.3 %`.
    static func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
}
