import ArgumentParser
import Foundation
import KapokModel

extension ModelCommand {
    /// `kapok model tokenize`: text to tokens and back.
    struct Tokenize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tokenize",
            abstract: "Turn standard input into a model's tokens, or tokens into text.",
            discussion: """
                Prints one token number a line. Nothing is added to the text: no token that begins \
                it. With --special the texts of special tokens, such as <|im_end|>, become these \
                tokens; without, they are text like any other.

                Bytes that are no UTF-8 become U+FFFD, each of them one, as in llama.cpp; with \
                --exact they are kept, so that --decode gives the input back.

                --decode reads token numbers, separated by white space, and writes their bytes; \
                with --special also the spellings of tokens of control.
                """)

        @Argument(help: "The model file, or s3://bucket/key.", completion: .file())
        var file: String
        @Flag(help: "Turn the texts of special tokens into these tokens.") var special = false
        @Flag(help: "Keep bytes that are no UTF-8 instead of replacing them.") var exact = false
        @Flag(help: "Print how many tokens there are, and nothing else.") var count = false
        @Flag(
            help: """
                Print JSON: {"tokens": [{"id": 1, "piece": "Ġthe", "text": " the"}, ...]}. "text" \
                has U+FFFD for bytes that are no whole character.
                """)
        var json = false
        @Flag(help: "Read token numbers and write their bytes.") var decode = false
        @OptionGroup var source: ModelSource.Options

        func validate() throws {
            guard [count, json, decode].count(where: \.self) <= 1 else {
                throw ValidationError("--count, --json and --decode exclude each other")
            }
        }

        func run() async throws {
            let path = try await ModelSource.resolve(file, source)
            let description = try LanguageModelFile.open(path: path).vocabulary
            let tokenizer = try makeTokenizer(
                description, invalidBytes: exact ? .kept : .replaced)
            if decode { return try writeText(tokenizer) }
            var output = TokenOutput(tokenizer, count ? .count : json ? .json : .lines)
            var encoder = TextEncoder(tokenizer, special: special)
            try StandardInput.forEachPiece { piece in
                output.append(encoder.append(piece))
            }
            output.append(encoder.finish())
            output.finish()
        }

        private func writeText(_ tokenizer: any Tokenizer) throws {
            var word: [UInt8] = []
            var output: [UInt8] = []
            func take() throws {
                if word.isEmpty { return }
                let text = String(decoding: word, as: UTF8.self)
                word.removeAll(keepingCapacity: true)
                guard let token = TokenID(text), (0..<tokenizer.vocabularySize).contains(Int(token))
                else {
                    throw CommandFailure(
                        description: """
                            '\(text.prefix(60))' is no token: give numbers from 0 to \
                            \(tokenizer.vocabularySize - 1), separated by white space
                            """)
                }
                output +=
                    special && tokenizer.isControl(token)
                    ? Array(tokenizer.piece(of: token).utf8) : tokenizer.bytes(of: token)
            }
            try StandardInput.forEachPiece { piece in
                for byte in piece {
                    if byte == 0x20 || (0x09...0x0D).contains(byte) {
                        try take()
                    } else if word.count < 100 {
                        word.append(byte)
                    }
                }
                FileHandle.standardOutput.write(Data(output))
                output.removeAll(keepingCapacity: true)
            }
            try take()
            FileHandle.standardOutput.write(Data(output))
        }
    }
}

/// Standard input, piece by piece.
private enum StandardInput {
    static func forEachPiece(_ body: ([UInt8]) throws -> Void) throws {
        while true {
            let piece: Data?
            do { piece = try FileHandle.standardInput.read(upToCount: 1 << 18) } catch {
                throw CommandFailure(
                    description: "cannot read standard input: \(error.localizedDescription)")
            }
            guard let piece, !piece.isEmpty else { return }
            try body([UInt8](piece))
        }
    }
}

/// Prints tokens as they come.
private struct TokenOutput {
    enum Form { case lines, json, count }

    private let tokenizer: any Tokenizer
    private let form: Form
    private var count = 0
    private var buffer: [UInt8] = []

    init(_ tokenizer: any Tokenizer, _ form: Form) {
        self.tokenizer = tokenizer
        self.form = form
        if form == .json { buffer += Array("{\"tokens\":[".utf8) }
    }

    mutating func append(_ tokens: [TokenID]) {
        for token in tokens {
            switch form {
            case .count: break
            case .lines:
                append(number: Int(token))
                buffer.append(0x0A)
            case .json: append(document: token)
            }
            count += 1
            if buffer.count > 1 << 18 { flush() }
        }
    }

    mutating func finish() {
        switch form {
        case .lines: break
        case .count: buffer += Array("\(count)\n".utf8)
        case .json: buffer += Array("],\"count\":\(count)}\n".utf8)
        }
        flush()
    }

    private mutating func flush() {
        FileHandle.standardOutput.write(Data(buffer))
        buffer.removeAll(keepingCapacity: true)
    }

    /// The decimal digits of `number`, without making a string of each.
    private mutating func append(number: Int) {
        if number >= 10 { append(number: number / 10) }
        buffer.append(UInt8(48 + number % 10))
    }

    private mutating func append(document token: TokenID) {
        buffer += Array((count == 0 ? "{\"id\":" : ",{\"id\":").utf8)
        append(number: Int(token))
        buffer += Array(",\"piece\":".utf8)
        buffer += JSONValue.string(tokenizer.piece(of: token)).bytes()
        buffer += Array(",\"text\":".utf8)
        let text = String(decoding: tokenizer.bytes(of: token), as: UTF8.self)
        buffer += JSONValue.string(text).bytes()
        buffer.append(UInt8(ascii: "}"))
    }
}
