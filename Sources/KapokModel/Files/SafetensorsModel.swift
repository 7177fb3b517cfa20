import OrderedCollections

/// Reads a language model from a folder as Hugging Face lays it out: `config.json`,
/// `tokenizer.json`, `tokenizer_config.json` and one or more safetensors files.
struct SafetensorsModel {
    /// Where the JSON files lie.
    let folder: String
    /// The files with tensors.
    let files: [SafetensorsFile]

    /// The model in `folder`: all files of its index, or its one file.
    init(folder: String) throws(ModelFileError) {
        self.folder = folder
        let index = "\(folder)/model.safetensors.index.json"
        guard FileBytes.exists(index) else {
            let path = "\(folder)/model.safetensors"
            guard FileBytes.exists(path) else {
                throw ModelFileError(
                    .missing, path: folder, "has no model.safetensors and no index of several",
                    remedy: "give a .gguf file or a folder with a safetensors model")
            }
            files = [try SafetensorsFile(FileBytes(path: path))]
            return
        }
        files = try Self.parts(index: index, folder: folder)
    }

    /// The model that `file` is, or is a part of.
    init(file: FileBytes) throws(ModelFileError) {
        folder = ModelPath.folder(of: file.path)
        let name = file.path.split(separator: "/").last.map(String.init) ?? ""
        let index = "\(folder)/model.safetensors.index.json"
        if FileBytes.exists(index), try Self.partNames(index: index).contains(name) {
            files = try Self.parts(index: index, folder: folder)
        } else {
            files = [try SafetensorsFile(file)]
        }
    }

    private static func partNames(index: String) throws(ModelFileError) -> [String] {
        let document = try JSONFile.read(index)
        guard let map = document["weight_map"]?.objectValue else {
            throw ModelFileError(.malformed, path: index, "has no object 'weight_map'")
        }
        let names = Set(map.values.compactMap(\.stringValue)).sorted()
        for name in names where name.contains("/") || name.hasPrefix(".") {
            throw ModelFileError(
                .malformed, path: index, place: "file '\(name)'", "is not in the same folder")
        }
        return names
    }

    private static func parts(
        index: String, folder: String
    ) throws(ModelFileError) -> [SafetensorsFile] {
        var files: [SafetensorsFile] = []
        for name in try partNames(index: index) {
            files.append(try SafetensorsFile(FileBytes(path: "\(folder)/\(name)")))
        }
        return files
    }

    /// The model as a whole.
    func model() throws(ModelFileError) -> LanguageModelFile {
        let path = "\(folder)/config.json"
        let document = try JSONFile.read(path)
        let reader = try TransformersConfiguration(path: path, document: document)
        var assembly = WeightAssembly(table: try table(), names: .transformers)
        // Where embeddings are tied, a stored output matrix does not count.
        let ties = document["tie_word_embeddings"]?.boolValue == true ? true : nil
        let traits = assembly.traits(tiesEmbeddings: ties)
        let name =
            document["_name_or_path"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
            ?? folder.split(separator: "/").last.map(String.init) ?? reader.architecture.gguf
        let configuration = try reader.configuration(name: name, traits)
        let weights = try assembly.weights(configuration)
        try assembly.table.refuseUnused(architecture: configuration.architecture) { name in
            name.hasSuffix("rotary_emb.inv_freq") || name == "lm_head.weight" && ties == true
        }
        let tokenizer = try TransformersTokenizer(folder: folder, configuration: document)
        return LanguageModelFile(
            configuration: configuration, weights: weights,
            vocabulary: try tokenizer.description(vocabularySize: configuration.vocabularySize),
            chatTemplate: try tokenizer.chatTemplate())
    }

    private func table() throws(ModelFileError) -> WeightTable {
        var entries: [String: WeightTable.Entry] = [:]
        for file in files {
            for tensor in file.tensors {
                let entry = WeightTable.Entry(
                    path: file.file.path, type: tensor.type, typeName: tensor.typeName,
                    shape: tensor.shape,
                    bytes: UnsafeRawBufferPointer(rebasing: file.file.bytes[tensor.range]),
                    owner: file.file)
                guard entries.updateValue(entry, forKey: tensor.name) == nil else {
                    throw ModelFileError(
                        .malformed, path: file.file.path, place: "tensor '\(tensor.name)'",
                        "is in two of the model's files")
                }
            }
        }
        return WeightTable(path: folder, entries: entries)
    }
}

/// JSON files beside a model.
enum JSONFile {
    /// The document in `path`.
    static func read(_ path: String) throws(ModelFileError) -> JSONValue {
        let file = try FileBytes(path: path)
        do throws(JSONError) {
            return try file.withBytes { bytes throws(JSONError) in try JSONValue(parsing: bytes) }
        } catch {
            throw ModelFileError(
                .malformed, path: path, place: "line \(error.line), column \(error.column)",
                error.problem)
        }
    }

    /// The document in `path`, where there is one.
    static func readIfThere(_ path: String) throws(ModelFileError) -> JSONValue? {
        FileBytes.exists(path) ? try read(path) : nil
    }
}
