import Foundation
import Testing

/// OpenAI's own client against `kapok serve`, with the model that KAPOK_MODEL names.
@Suite("Interop: OpenAI", .serialized)
struct ServeOpenAITests {
    @Test(
        "the openai package: chat, tools, schemas, responses, errors, clients that vanish",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason),
        .enabled(if: ServeClients.openAI, "openai and jsonschema are not installed"))
    func openAI() throws { try Script("serve_openai.py", minutes: 5, fullMinutes: 15).run() }

    @Test(
        "a model from Kapok's own store; a conversation in a terminal",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason),
        .enabled(if: ServeClients.boto3, "boto3 and jsonschema are not installed"))
    func store() throws { try Script("serve_store.py", minutes: 5, fullMinutes: 10).run() }
}

/// The model that the serving tests serve.
enum ServedModelFile {
    static let isThere: Bool = {
        let path = ProcessInfo.processInfo.environment["KAPOK_MODEL"]
        let found = path.map { FileManager.default.fileExists(atPath: $0) } ?? false
        if !found { print("SKIPPED: \(reason)") }
        return found
    }()

    static let reason: Comment = "KAPOK_MODEL names no model file: 'make model' fetches one"
}

/// What the serving scripts import.
enum ServeClients {
    static let openAI = has("jsonschema, openai, pydantic")
    static let boto3 = has("boto3, jsonschema")

    private static func has(_ modules: String) -> Bool {
        let status = try? Command([Place.python, "-c", "import \(modules)"], seconds: 60).run()
            .status
        if status != 0 { print("SKIPPED: \(modules) are not installed for \(Place.python)") }
        return status == 0
    }
}
