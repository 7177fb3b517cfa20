import Foundation

/// The messages of a conversation, and what a person can do with them.
struct ChatSession {
    private let client: ChatClient
    private var options: ChatClient.Options
    private var system: String?
    private var messages: [[String: String]] = []
    private var lastAnswer: ChatClient.Answer?
    private let interrupt = InterruptWatch()

    init(client: ChatClient, options: ChatClient.Options, system: String?) {
        self.client = client
        self.options = options
        self.system = system
    }

    private var conversation: [[String: String]] {
        (system.map { [["role": "system", "content": $0]] } ?? []) + messages
    }

    /// Answers one prompt and ends.
    mutating func answerOnce(_ prompt: String, asJSON: Bool) async throws {
        guard !prompt.isEmpty else { throw CommandFailure(description: "the prompt is empty") }
        messages = [["role": "user", "content": prompt]]
        let answer = try await client.answer(to: conversation, options) { text in
            if !asJSON { Self.write(text) }
        }
        if asJSON { try ChipOutput.printJSON(answer) } else { Self.write("\n") }
    }

    private static func write(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    // MARK: In a terminal

    /// Asks for messages until the end of input.
    mutating func talk() async throws {
        Self.write("\(client.model) at \(client.base). /help tells what there is.\n")
        interrupt.start()
        while true {
            Self.write("\n> ")
            guard let line = Self.readMessage() else { break }
            interrupt.reset()
            if line.isEmpty { continue }
            if line.hasPrefix("/") {
                guard try await carryOut(line) else { break }
            } else {
                messages.append(["role": "user", "content": line])
                await answer()
            }
        }
        Self.write("\n")
    }

    /// A line; several, when all but the last end with a backslash.
    private static func readMessage() -> String? {
        var text = ""
        while let line = readLine() {
            guard line.hasSuffix("\\") else { return text + line }
            text += line.dropLast() + "\n"
            write("  ")
        }
        return text.isEmpty ? nil : text
    }

    /// Answers the last message. What Ctrl-C left of an answer stays in the conversation.
    private mutating func answer() async {
        let (client, conversation, options) = (client, conversation, options)
        let shown = ShownText()
        let task = Task {
            try await client.answer(to: conversation, options) { text in
                shown.add(text)
                Self.write(text)
            }
        }
        interrupt.onInterrupt { task.cancel() }
        defer { interrupt.onInterrupt(nil) }
        do {
            lastAnswer = try await task.value
            Self.write("\n")
        } catch {
            if task.isCancelled {
                Self.write(" [stopped]\n")
            } else {
                Self.write("\n")
                FileHandle.standardError.write(Data("\(error)\n".utf8))
            }
        }
        if shown.text.isEmpty {
            messages.removeLast()
        } else {
            messages.append(["role": "assistant", "content": shown.text])
        }
    }

    // MARK: Commands

    private static let help = """
        /system TEXT   what the model is to be; without a text, tells it
        /reset         forget the conversation, not the system text
        /undo          take back the last message and its answer
        /retry         answer the last message again
        /set NAME VALUE  temperature, top-p, max-tokens, seed or latency; no value unsets it
        /stats         tokens and times of the last answer
        /save FILE     write the conversation as JSON
        /load FILE     go on with a saved one
        /exit          leave, as Ctrl-D does
        A line that ends with \\ goes on in the next one. Ctrl-C stops an answer.

        """

    /// Carries out a command; false ends the conversation.
    private mutating func carryOut(_ line: String) async throws -> Bool {
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        let argument = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        switch parts[0] {
        case "/exit", "/quit": return false
        case "/help": Self.write(Self.help)
        case "/reset": messages = []
        case "/system":
            if argument.isEmpty { Self.write((system ?? "none") + "\n") } else { system = argument }
        case "/undo": undo()
        case "/retry":
            if messages.last?["role"] == "assistant" { messages.removeLast() }
            if messages.isEmpty {
                Self.write("there is nothing to answer\n")
            } else {
                await answer()
            }
        case "/set": set(argument)
        case "/stats": Self.write(statistics + "\n")
        case "/save": save(argument)
        case "/load": load(argument)
        default: Self.write("there is no \(parts[0]): /help tells what there is\n")
        }
        return true
    }

    private mutating func undo() {
        if messages.last?["role"] == "assistant" { messages.removeLast() }
        if messages.last?["role"] == "user" { messages.removeLast() }
    }

    private mutating func set(_ argument: String) {
        let parts = argument.split(separator: " ").map(String.init)
        let value = parts.count > 1 ? parts[1] : nil
        switch parts.first {
        case "temperature": options.temperature = value.flatMap(Double.init)
        case "top-p": options.topP = value.flatMap(Double.init)
        case "max-tokens": options.maximumTokens = value.flatMap { Int($0) }
        case "seed": options.seed = value.flatMap { Int($0) }
        case "latency": options.latency = value
        default: Self.write("temperature, top-p, max-tokens, seed and latency can be set\n")
        }
    }

    private var statistics: String {
        guard let answer = lastAnswer else { return "there was no answer yet" }
        func text(_ value: Double?, _ format: String) -> String {
            value.map { String(format: format, $0) } ?? "unknown"
        }
        return """
            prompt      \(answer.promptTokens ?? 0) tokens, \(answer.cachedTokens ?? 0) cached
            answer      \(answer.completionTokens ?? 0) tokens, \(answer.finishReason ?? "unknown")
            first token \(text(answer.secondsToFirstToken, "%.3f s"))
            then        \(text(answer.tokensPerSecond, "%.1f tokens/s"))
            latency     \(answer.latency ?? "unknown")
            """
    }

    private func save(_ path: String) {
        guard !path.isEmpty else { return Self.write("where to? /save FILE\n") }
        do {
            let data = try JSONSerialization.data(
                withJSONObject: ["messages": conversation],
                options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            try data.write(to: URL(filePath: path))
            Self.write("\(conversation.count) messages written to \(path)\n")
        } catch { Self.write("cannot write \(path): \(error.localizedDescription)\n") }
    }

    private mutating func load(_ path: String) {
        guard let data = try? Data(contentsOf: URL(filePath: path)),
            let document = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let loaded = document["messages"] as? [[String: String]],
            loaded.allSatisfy({ $0["role"] != nil && $0["content"] != nil })
        else { return Self.write("\(path) is no saved conversation\n") }
        system = loaded.first { $0["role"] == "system" }?["content"] ?? system
        messages = loaded.filter { $0["role"] != "system" }
        Self.write("\(loaded.count) messages read\n")
    }
}

/// What was shown of an answer so far.
private final class ShownText: @unchecked Sendable {
    private let lock = NSLock()
    private var shown = ""

    var text: String { lock.withLock { shown } }
    func add(_ text: String) { lock.withLock { shown += text } }
}

/// Ctrl-C: stops what goes on; twice in a row while nothing does, it ends the program.
private final class InterruptWatch: @unchecked Sendable {
    private let lock = NSLock()
    private var action: (@Sendable () -> Void)?
    private var idleCount = 0
    private var source: (any DispatchSourceSignal)?

    func start() {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler { [weak self] in self?.interrupted() }
        source.resume()
        lock.withLock { self.source = source }
    }

    func onInterrupt(_ body: (@Sendable () -> Void)?) { lock.withLock { action = body } }

    func reset() { lock.withLock { idleCount = 0 } }

    private func interrupted() {
        let (action, count) = lock.withLock { () -> ((@Sendable () -> Void)?, Int) in
            if self.action == nil { idleCount += 1 }
            return (self.action, idleCount)
        }
        if let action { return action() }
        if count > 1 { exit(130) }
        FileHandle.standardOutput.write(Data("\n(Ctrl-D or a second Ctrl-C leaves)\n> ".utf8))
    }
}
