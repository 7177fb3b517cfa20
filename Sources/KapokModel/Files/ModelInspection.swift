import OrderedCollections

/// What a model's files say about themselves, also where Kapok cannot compute the model.
public struct ModelInspection: Sendable {
    /// One metadata key.
    public struct Entry: Hashable, Sendable {
        /// Its name.
        public var key: String
        /// Its type: "UINT32", "STRING[49152]"; in JSON files "a string" and so on.
        public var type: String
        /// Its value for a person, cut short.
        public var value: String
    }

    /// One tensor.
    public struct Tensor: Hashable, Sendable {
        /// Its name in the file.
        public var name: String
        /// Its type's name, also where Kapok cannot read it.
        public var type: String
        /// Its sizes, that of a row last.
        public var shape: [Int]
        /// The bytes that it takes; nil where Kapok does not know the type.
        public var bytes: Int?

        /// How many numbers it has.
        public var elements: Int { shape.reduce(1, *) }
    }

    /// "GGUF v3" or "safetensors".
    public var format: String
    /// The paths of the files with tensors.
    public var files: [String]
    /// The bytes of these files.
    public var fileBytes: Int
    /// The metadata of GGUF, or the members of config.json.
    public var metadata: [Entry]
    /// All tensors.
    public var tensors: [Tensor]
    /// The model, where Kapok can compute it.
    public var model: LanguageModelFile?
    /// Why Kapok cannot, where that is so.
    public var obstacle: ModelFileError?

    /// Looks into the model at `path`, as `LanguageModelFile.open(path:)` opens it. Fails only
    /// where the files themselves are no readable model files.
    public init(path: String) throws(ModelFileError) {
        let container = try ModelContainer(path: path)
        switch container {
        case .gguf(let parts):
            format = "GGUF v\(parts[0].version)"
            files = parts.map(\.file.path)
            fileBytes = parts.reduce(0) { $0 + $1.file.bytes.count }
            metadata = Self.entries(parts[0])
            tensors = parts.flatMap(\.tensors).map(Self.tensor)
        case .safetensors(let model):
            format = "safetensors"
            files = model.files.map(\.file.path)
            fileBytes = model.files.reduce(0) { $0 + $1.file.bytes.count }
            let document = try JSONFile.readIfThere("\(model.folder)/config.json")
            metadata = (document?.objectValue ?? [:]).map { key, value in
                Entry(key: key, type: value.kindDescription, value: String(value.text().prefix(60)))
            }
            tensors = model.files.flatMap(\.tensors).map { tensor in
                Tensor(
                    name: tensor.name, type: tensor.typeName, shape: tensor.shape,
                    bytes: tensor.range.count)
            }
        }
        do throws(ModelFileError) {
            model = try container.model()
        } catch {
            obstacle = error
        }
    }

    private static func entries(_ file: GGUFFile) -> [Entry] {
        file.metadata.map { key, value in
            let type = "\(value.type)".uppercased()
            return Entry(
                key: key, type: value.count.map { "\(type)[\($0)]" } ?? type,
                value: file.values.summary(key))
        }
    }

    private static func tensor(_ tensor: GGUFTensor) -> Tensor {
        Tensor(
            name: tensor.name, type: WeightType.name(ofNumber: tensor.typeNumber),
            shape: tensor.dimensions.reversed(),
            bytes: tensor.type == nil ? nil : tensor.range.count)
    }

    /// All numbers of all tensors.
    public var parameters: Int { tensors.reduce(0) { $0 + $1.elements } }

    /// How many tensors of each type there are, and their numbers and bytes; the largest first.
    public var types: [(name: String, tensors: Int, elements: Int, bytes: Int)] {
        let byType = OrderedDictionary(grouping: tensors, by: \.type)
        let sums = byType.map { name, tensors in
            (
                name: name, tensors: tensors.count,
                elements: tensors.reduce(0) { $0 + $1.elements },
                bytes: tensors.reduce(0) { $0 + ($1.bytes ?? 0) }
            )
        }
        return sums.sorted { ($0.elements, $1.name) > ($1.elements, $0.name) }
    }
}

extension ModelConfiguration {
    /// The bytes of keys and values for a token, at 16 bits a number.
    public var keyValueBytesPerToken: Int { layers * 2 * keyValueHeads * headWidth * 2 }
}
