import Foundation
import KapokFabric

/// `kapok fabric wire --import`: other people's wiring files as PTM's `topology.dot`.
struct FabricWireImport {
    var path: String?
    var netBox: String?
    var batfish: String?
    var output: String?

    func run() throws {
        let given = [path, netBox, batfish].compactMap { $0 }
        guard given.count == 1, let file = given.first else {
            throw CommandFailure(description: "import one file at a time")
        }
        let list = try read(file)
        do { _ = try list.graph() } catch {
            throw CommandFailure(description: "\(file): \(error)")
        }
        if let output {
            try FabricWireFiles.makeFolder(output)
            let target = "\(output)/topology.dot"
            _ = try FabricWireFiles.write(to: target) { list.writeDOT(to: $0) }
            print("\(list.nodes.count) devices and \(list.edges.count) links in \(target)")
        } else {
            let text = WiringWriter.bytes { list.writeDOT(to: $0) }
            try FileHandle.standardOutput.write(contentsOf: Data(text))
        }
    }

    private func read(_ file: String) throws -> WiringList {
        let bytes = try FabricWireFiles.read(file)
        let suffix = file.split(separator: ".").last?.lowercased()
        do {
            if netBox != nil || (path != nil && suffix == "csv") {
                let (list, ignored) = try WiringList.readNetBox(bytes)
                if ignored > 0 {
                    FileHandle.standardError.write(
                        Data("passed over \(ignored) cables that join no interfaces\n".utf8))
                }
                return list
            }
            if batfish != nil || suffix == "json" { return try WiringList(fromBatfish: bytes) }
            guard suffix == "dot" || suffix == "gv" else {
                throw CommandFailure(
                    description: "\(file): what is it? Name it .csv (NetBox), .json (Batfish) or "
                        + ".dot, or use --import-netbox or --import-batfish")
            }
            return try WiringList(fromDOT: bytes)
        } catch let error as WiringDocument.Refusal {
            throw CommandFailure(description: "\(file): \(error)")
        }
    }
}
