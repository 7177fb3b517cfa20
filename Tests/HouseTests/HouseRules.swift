import Foundation

/// One text file of the repository.
struct SourceFile {
    /// From the repository's root, with `/`.
    var path: String
    var text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The target whose folder under `Sources` holds the file; nil elsewhere.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    /// The modules that a Swift file imports, in order.
    var imports: [String] {
        lines.compactMap { line in
            guard let match = line.firstMatch(of: Self.importLine) else { return nil }
            return String(match.output.1)
        }
    }

    nonisolated(unsafe) private static let importLine =
        #/
        ^\s*
        (?:@\w+(?:\([^)]*\))?\s+)*
        (?:(?:public|package|internal|fileprivate|private)\s+)?
        import\s+
        (?:(?:struct|class|enum|protocol|typealias|func|var|let|actor)\s+)?
        (\w+)
        /#
}

/// The rules of the house (the floors, and what no file may hold) as data and as checks. Each check
/// returns one line for each violation.
struct HouseRules {
    /// The floor of each target: it imports lower floors only.
    var floors: [String: Double] = [
        "KapokWorld": 0, "CKernels": 0, "CISAL": 0, "CSQLite": 0, "CUring": 0,
        "CZlib": 0, "CNetlink": 0,
        "KapokSimulation": 1, "KapokLinux": 1,
        "KapokDrive": 2, "KapokAccelerator": 2, "KapokFabric": 2, "KapokModel": 2,
        // The fabric in the simulator, with the protocols it is compared to.
        "KapokFabricSimulation": 2.5,
        "KapokStore": 3, "KapokS3": 3, "KapokInference": 3,
        // The store in the simulator: above the store, and never part of a region.
        "KapokStoreSimulation": 3.5,
        // The scheduler in the simulator, and whole fleets of it.
        "KapokInferenceSimulation": 3.5,
        "KapokRegion": 4, "KapokBench": 4,
        "kapok": 5,
    ]

    /// Imports on one floor, each with its reason.
    var sameFloorImports: [String: [String: String]] = [
        "KapokS3": ["KapokStore": "the front end serves the store through StoreClient"]
    ]

    /// What the lowest floor may import besides the standard library.
    var worldImports: Set<String> = [
        "Swift", "Synchronization", "Collections", "BitCollections", "DequeModule", "HeapModule",
        "OrderedCollections", "HashTreeCollections", "BasicContainers",
    ]

    /// Beginnings of modules that no protocol core imports.
    var forbiddenInCores = [
        "NIO", "Foundation", "Glibc", "Musl", "Dispatch", "KapokLinux", "KapokSimulation",
        "Hummingbird", "CUring", "CSQLite",
    ]

    /// Targets that may import the simulator.
    var simulationUsers: Set<String> = [
        "KapokSimulation", "KapokStoreSimulation", "KapokFabricSimulation",
        "KapokInferenceSimulation", "kapok",
    ]

    /// Names that say nothing about whose business a thing is.
    var forbiddenWords = ["utils", "util", "common", "helpers", "helper", "misc"]

    var maximumColumns = 100
    var maximumBytes = 1 << 20

    // MARK: Checks

    /// Imports that go up, sideways without a reason, or out of a core.
    func importViolations(in file: SourceFile) -> [String] {
        guard let target = file.target else { return [] }
        guard let floor = floors[target] else {
            return ["\(file.path): the target \(target) has no floor"]
        }
        let isCore = file.path.split(separator: "/").contains("Core")
        return file.imports.flatMap { module -> [String] in
            var violations: [String] = []
            func report(_ why: String) {
                violations.append("\(file.path): imports \(module): \(why)")
            }
            if let other = floors[module], other >= floor, module != target,
                sameFloorImports[target]?[module] == nil
            {
                report("floor \(other) is not below \(target)'s, which is \(floor)")
            }
            if target == "KapokWorld", !worldImports.contains(module) {
                report("KapokWorld imports nothing but the standard library and collections")
            }
            if isCore, forbiddenInCores.contains(where: module.hasPrefix) {
                report("a core does no I/O and reads no clock")
            }
            if module == "KapokSimulation", !simulationUsers.contains(target) {
                report("the simulator stays out of what is shipped")
            }
            return violations
        }
    }

    /// Targets and files named after nothing.
    func nameViolations(in path: String) -> [String] {
        path.split(separator: "/").compactMap { part in
            let stem = part.split(separator: ".").first.map(String.init) ?? String(part)
            // Words of a camel-case name: KapokUtils -> kapok, utils.
            let words = stem.replacing(/([a-z0-9])([A-Z])/) { "\($0.output.1) \($0.output.2)" }
                .lowercased().split { !$0.isLetter }
            let isBad = words.contains { forbiddenWords.contains(String($0)) }
            return isBad ? "\(path): \(part) says nothing about whose business it is" : nil
        }
    }

    /// Lines that are too long, and notes to oneself.
    func lineViolations(in file: SourceFile) -> [String] {
        // Assembled, so that this file passes its own check.
        let notes = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        return file.lines.enumerated().flatMap { index, line -> [String] in
            var violations: [String] = []
            if line.count > maximumColumns {
                violations.append("\(file.path):\(index + 1): \(line.count) columns")
            }
            let words = line.split { !$0.isLetter }
            for note in notes where words.contains(Substring(note)) {
                violations.append("\(file.path):\(index + 1): \(note)")
            }
            return violations
        }
    }

    /// Public declarations without a doc comment. Initializers need none (their parameters are the
    /// documented properties), nor does what implements a protocol: operators, `description`,
    /// `hash`, members of an extension that adds a conformance. In a run of one-line declarations
    /// the first speaks for all.
    func documentationViolations(in file: SourceFile) -> [String] {
        var violations: [String] = []
        let lines = file.lines
        var isConformance = false
        for (index, line) in lines.enumerated() {
            if let first = line.first, first.isLetter || first == "@" {
                isConformance = line.firstMatch(of: Self.conformance) != nil
            }
            guard !isConformance, line.firstMatch(of: Self.publicDeclaration) != nil,
                line.firstMatch(of: Self.needsNoComment) == nil
            else { continue }
            var above = index - 1
            while above >= 0, Self.speaksForNext(lines[above]) { above -= 1 }
            let previous = above >= 0 ? lines[above].drop { $0 == " " } : ""
            if !previous.hasPrefix("///") && !previous.hasSuffix("*/") {
                let text = line.drop { $0 == " " }
                violations.append("\(file.path):\(index + 1): no doc comment: \(text)")
            }
        }
        return violations
    }

    /// Whether the comment above `line` also covers the line below it: an attribute on its own, or
    /// a declaration that ends where it begins.
    private static func speaksForNext(_ line: Substring) -> Bool {
        let text = line.drop { $0 == " " }
        if text.hasPrefix("@"), text.firstMatch(of: publicDeclaration) == nil { return true }
        guard text.firstMatch(of: publicDeclaration) != nil else { return false }
        let opened = text.count { $0 == "{" || $0 == "(" }
        let closed = text.count { $0 == "}" || $0 == ")" }
        return opened == closed
    }

    nonisolated(unsafe) private static let publicDeclaration =
        /^\s*(?:@\w+(?:\([^)]*\))?\s+)*public\s+(?!extension|import)/
    nonisolated(unsafe) private static let needsNoComment =
        #/
        public\s+(?:convenience\s+)?init\b
        |func\s+[^\w\s]
        |var\s(?:description|debugDescription|hashValue):
        |func\shash\(into
        /#
    nonisolated(unsafe) private static let conformance = /^(?:@\w+\s+)*extension\s+[\w.]+\s*:/
}
