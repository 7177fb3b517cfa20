/// The tensors of a model by name, whatever files they are in; hands them out with their shapes
/// checked and remembers which were asked for.
struct WeightTable {
    /// A tensor as its file describes it.
    struct Entry {
        /// The file that it is in, for messages.
        var path: String
        /// nil when Kapok cannot read the type.
        var type: WeightType?
        var typeName: String
        /// Sizes, that of a row last.
        var shape: [Int]
        var bytes: UnsafeRawBufferPointer
        var owner: AnyObject
    }

    /// The file or folder, for messages about what is not there.
    let path: String
    private(set) var entries: [String: Entry]
    private var used: Set<String> = []

    init(path: String, entries: [String: Entry]) {
        self.path = path
        self.entries = entries
    }

    func has(_ name: String) -> Bool { entries[name] != nil }

    /// A matrix of that shape, named `title` from here on.
    mutating func matrix(
        _ name: String, rows: Int, columns: Int, title: String? = nil
    ) throws(ModelFileError) -> WeightTensor {
        let entry = try entry(name)
        guard entry.shape == [rows, columns] else {
            throw wrongShape(name, entry, expected: [rows, columns])
        }
        return try tensor(name, entry, rows: rows, columns: columns, title: title)
    }

    /// A vector of that length, named `title` from here on.
    mutating func vector(
        _ name: String, count: Int, title: String? = nil
    ) throws(ModelFileError) -> WeightTensor {
        let entry = try entry(name)
        guard entry.shape.last == count, entry.shape.dropLast().allSatisfy({ $0 == 1 }) else {
            throw wrongShape(name, entry, expected: [count])
        }
        return try tensor(name, entry, rows: 1, columns: count, title: title)
    }

    /// A vector of that length, where there is one.
    mutating func vectorIfThere(
        _ name: String, count: Int, title: String? = nil
    ) throws(ModelFileError) -> WeightTensor? {
        has(name) ? try vector(name, count: count, title: title) : nil
    }

    /// The sizes of a tensor, that of a row last.
    func shape(_ name: String) throws(ModelFileError) -> [Int] { try entry(name).shape }

    /// What was never asked for is part of a model that would compute something else.
    func refuseUnused(
        architecture: String, except isHarmless: (String) -> Bool
    ) throws(ModelFileError) {
        let unused = entries.keys.filter { !used.contains($0) && !isHarmless($0) }.sorted()
        guard let first = unused.first, let entry = entries[first] else { return }
        let others = unused.count > 1 ? " (and \(unused.count - 1) more)" : ""
        throw ModelFileError(
            .unsupported, path: entry.path, place: "tensor '\(first)'\(others)",
            "not part of the '\(architecture)' decoder that Kapok computes: the model would give "
                + "wrong answers without it")
    }

    private func entry(_ name: String) throws(ModelFileError) -> Entry {
        guard let entry = entries[name] else {
            throw ModelFileError(
                .missing, path: path, place: "tensor '\(name)'", "is not in the file")
        }
        return entry
    }

    private mutating func tensor(
        _ name: String, _ entry: Entry, rows: Int, columns: Int, title: String?
    ) throws(ModelFileError) -> WeightTensor {
        guard let type = entry.type else {
            throw ModelFileError(
                .unsupported, path: entry.path, place: "tensor '\(name)'",
                "stored as \(entry.typeName), which Kapok cannot compute with",
                remedy: "take a file of one of the types \(WeightType.supportedNames)")
        }
        used.insert(name)
        return WeightTensor(
            name: title ?? name, type: type, columns: columns, rows: rows, bytes: entry.bytes,
            owner: entry.owner)
    }

    private func wrongShape(_ name: String, _ entry: Entry, expected: [Int]) -> ModelFileError {
        func text(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " x ") }
        return ModelFileError(
            .malformed, path: entry.path, place: "tensor '\(name)'",
            "is \(text(entry.shape)); the configuration asks for \(text(expected))")
    }
}
