public import ArgumentParser
import Foundation
public import KapokFabric

/// `kapok fabric border`: configurations of BIRD and FRR for border leaves.
struct FabricBorderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "border",
        abstract: "Write the configuration of BIRD or FRR for border leaves.",
        discussion: """
            Border leaves speak eBGP with what is outside. Outside hears the fabric's aggregate \
            and nothing else, and only a default route is taken from there.

              kapok fabric border --topology fattree:4 --asn 65100 --format frr \\
                  --peer edge-3-0:eth8,64512,198.51.100.1 --peer edge-3-1:eth8,64512 \\
                  --output border

            A neighbour is written LEAF:INTERFACE,ASN,ADDRESS. The address is IPv4, or an IPv6 \
            link-local one, over which IPv4 routes go too; without an address FRR finds the \
            neighbour on the interface by itself, and BIRD waits to be called.

            The way back: `kapok fabric plan --border edge-3-0,edge-3-1` plans the default route \
            to these leaves.
            """)

    @OptionGroup var options: FabricOptions
    @Option(
        help: ArgumentHelp(
            "The border leaves, separated by commas; by default those of the neighbours.",
            valueName: "switches"))
    var border: String?
    @Option(help: "The fabric's autonomous system.")
    var asn: UInt32
    @Option(
        help: ArgumentHelp(
            "A neighbour outside.", valueName: "leaf:interface,asn[,address]"))
    var peer: [String] = []
    @Option(help: ArgumentHelp("Told outside in place of the shortest cover.", valueName: "prefix"))
    var aggregate: [String] = []
    @Option(help: "Whose configuration: bird or frr.")
    var format = BorderFormat.bird
    @Option(help: "Milliseconds between two BFD packets.")
    var bfd = 300
    @Option(
        help: ArgumentHelp(
            "Where the files go, one a leaf; without it they are printed.", valueName: "folder"))
    var output: String?
    @Flag(help: "Print JSON.")
    var json = false

    private struct Report: Encodable {
        struct Leaf: Encodable {
            var configuration: String
            var file: String?
            var name: String
            var owns: [String]
        }
        var aggregates: [String]
        var format: String
        var leaves: [Leaf]
    }

    mutating func run() async throws {
        let (_, fabric) = try options.fabric()
        let design: BorderDesign
        let parts: [DestinationID: [IPv4Prefix]]
        do {
            design = try BorderDesign(
                fabric: fabric, asn: asn, peers: try peer.map { try neighbor($0, in: fabric) },
                aggregates: try aggregate.map { try prefix($0) }, bfdMilliseconds: bfd)
            try compare(design)
            parts = try BorderDesign.defaultRoutes(at: design.leaves, of: fabric)
        } catch let refusal as BorderDesign.Refusal {
            throw CommandFailure(description: "\(refusal)")
        }
        var report = Report(
            aggregates: design.aggregates.map(\.description), format: format.rawValue, leaves: [])
        for leaf in design.leaves {
            let name = fabric.name(of: leaf)
            let text = design.configuration(at: leaf, for: format)
            let owns = fabric.destination(of: leaf).flatMap { parts[$0] } ?? []
            var path: String?
            if let output {
                path = try write(text, "\(name).\(format.rawValue).conf", in: output)
            }
            report.leaves.append(
                Report.Leaf(
                    configuration: text, file: path, name: name, owns: owns.map(\.description)))
        }
        if json { return try ChipOutput.printJSON(report) }
        for leaf in report.leaves {
            print(leaf.file.map { "\(leaf.name): \($0)" } ?? leaf.configuration)
        }
    }

    /// With --border the leaves are said twice, so that a misspelt neighbour is noticed.
    private func compare(_ design: BorderDesign) throws {
        guard let border else { return }
        let named = Set(
            try border.split(separator: ",").map {
                try FabricArguments.edge(String($0), in: design.fabric)
            })
        for leaf in named.symmetricDifference(design.leaves).sorted() {
            let name = design.fabric.name(of: leaf)
            throw CommandFailure(
                description: named.contains(leaf)
                    ? "border leaf \(name) has no neighbour: give it a --peer"
                    : "\(name) has a neighbour, and is not named by --border")
        }
    }

    private func neighbor(_ text: String, in fabric: Fabric) throws -> BorderDesign.Peer {
        let words = text.split(separator: ",", omittingEmptySubsequences: false)
        guard (2...3).contains(words.count), let colon = words[0].lastIndex(of: ":"),
            let number = UInt32(words[1])
        else {
            throw CommandFailure(
                description: "'\(text)' is no neighbour; write LEAF:INTERFACE,ASN,ADDRESS as in "
                    + "edge-3-0:eth8,64512,198.51.100.1")
        }
        let leaf = try FabricArguments.edge(String(words[0][..<colon]), in: fabric)
        let address: BorderDesign.Address
        if words.count == 2 {
            address = .unnumbered
        } else if let ipv4 = IPv4Prefix.address(words[2]) {
            address = .ipv4(ipv4)
        } else {
            address = .linkLocal(words[2].lowercased())
        }
        let interface = String(words[0][words[0].index(after: colon)...])
        return BorderDesign.Peer(leaf: leaf, interface: interface, asn: number, address: address)
    }

    private func prefix(_ text: String) throws -> IPv4Prefix {
        guard let prefix = IPv4Prefix(text) else {
            throw CommandFailure(
                description: "'\(text)' is no prefix: write 10.0.0.0/14, with no bit set behind "
                    + "the length")
        }
        return prefix
    }

    private func write(_ text: String, _ name: String, in folder: String) throws -> String {
        let url = URL(filePath: folder).appending(path: name)
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        } catch {
            throw CommandFailure(
                description: "cannot write \(url.path): \(error.localizedDescription)")
        }
        return url.path
    }
}

extension BorderFormat: ExpressibleByArgument {}
