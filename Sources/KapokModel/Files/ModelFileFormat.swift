extension LanguageModelFile {
    /// Opens a model by what it is, not by its name: a GGUF file (of a split one the first part),
    /// a safetensors file, or the folder of one as Hugging Face lays it out. Weights stay in the
    /// file: nothing of them is read yet.
    public static func open(path: String) throws(ModelFileError) -> LanguageModelFile {
        try ModelContainer(path: path).model()
    }

    /// Opens a model file that is mapped or in memory already; other files that belong to it are
    /// looked for beside its path.
    public static func open(_ file: FileBytes) throws(ModelFileError) -> LanguageModelFile {
        try ModelContainer(file).model()
    }
}

/// The files of a model, opened but not yet taken for a model of any architecture.
enum ModelContainer {
    /// The parts of a GGUF model, the first one first.
    case gguf([GGUFFile])
    case safetensors(SafetensorsModel)

    /// Opens what is at `path`, whatever its name.
    init(path: String) throws(ModelFileError) {
        if FileBytes.isDirectory(path) {
            self = .safetensors(try SafetensorsModel(folder: path))
            return
        }
        let file = try FileBytes(path: path)
        if path.hasSuffix(".safetensors.index.json") {
            self = .safetensors(try SafetensorsModel(folder: ModelPath.folder(of: path)))
        } else {
            self = try ModelContainer(file)
        }
    }

    /// Opens what `file` is.
    init(_ file: FileBytes) throws(ModelFileError) {
        if GGUFFile.isGGUF(file.bytes) {
            self = .gguf(try Self.parts(GGUFFile(file)))
        } else if SafetensorsFile.isSafetensors(file.bytes) {
            self = .safetensors(try SafetensorsModel(file: file))
        } else {
            throw Self.unrecognised(file)
        }
    }

    /// The model in the files.
    func model() throws(ModelFileError) -> LanguageModelFile {
        switch self {
        case .gguf(let files): try GGUFModel(files).model()
        case .safetensors(let model): try model.model()
        }
    }

    /// All parts of a model, those beside `file` too where it is split.
    private static func parts(_ file: GGUFFile) throws(ModelFileError) -> [GGUFFile] {
        guard let count = try file.values.integer("split.count"), count > 1 else { return [file] }
        let path = file.file.path
        let suffix = "-00001-of-\(ModelPath.fiveDigits(count)).gguf"
        guard try file.values.integer("split.no") == 0, path.hasSuffix(suffix), count < 100_000
        else {
            throw ModelFileError(
                .unsupported, path: path, "a part of a model that is split into \(count) files",
                remedy: "open the part whose name ends with '\(suffix)', with the others beside it")
        }
        var files = [file]
        for number in 2...count {
            let part = path.dropLast(suffix.count) + "-\(ModelPath.fiveDigits(number))"
            files.append(
                try GGUFFile(FileBytes(path: "\(part)-of-\(ModelPath.fiveDigits(count)).gguf")))
        }
        return files
    }

    /// What else people have under the name of a model.
    private static func unrecognised(_ file: FileBytes) -> ModelFileError {
        let known: [(prefix: String, what: String, remedy: String)] = [
            (
                "version https://git-lfs", "a Git LFS pointer, not the file itself",
                "run git lfs pull"
            ),
            ("PK\u{3}\u{4}", "a PyTorch archive", "convert it to safetensors or GGUF"),
            ("tjgg", "a GGJT file from before GGUF", "convert it to GGUF"),
            ("lmgg", "a GGML file from before GGUF", "convert it to GGUF"),
            ("<", "a web page", "fetch the model again"),
        ]
        for (prefix, what, remedy) in known where file.bytes.starts(with: prefix.utf8) {
            return ModelFileError(.unsupported, path: file.path, what, remedy: remedy)
        }
        return ModelFileError(
            .malformed, path: file.path, "neither GGUF nor safetensors",
            remedy: "give a .gguf file, a .safetensors file or the folder of one")
    }
}

/// What names of files say.
enum ModelPath {
    /// The folder that holds `path`.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A number as split files have it: "00012".
    static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
