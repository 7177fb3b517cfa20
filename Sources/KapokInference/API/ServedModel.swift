import Crypto
import Foundation
import KapokModel
import OrderedCollections
import Synchronization

/// A model as the APIs serve it.
struct ServedModel: Sendable {
    let service: any GenerationService
    /// The names it answers to; the first is its own.
    let names: [String]
    /// Changes with the model and what it is served with.
    let fingerprint: String
    /// When it became ready, in seconds since 1970.
    let created: Int
    let prompts: PromptWriter
    let chat: ChatPrompt

    init(service: any GenerationService, aliases: [String]) {
        self.service = service
        names = [service.modelName] + aliases.filter { $0 != service.modelName }
        let description = "\(service.modelName)|\(service.configuration)|\(service.contextLimit)"
        let digest = SHA256.hash(data: Array(description.utf8))
        fingerprint =
            "fp_kapok_"
            + digest.prefix(5).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
            .joined()
        created = Int(Date().timeIntervalSince1970)
        prompts = PromptWriter(service: service)
        chat = ChatPrompt(service: service)
    }

    /// Refuses names of models that are not here; nil stands for the one that is.
    func check(name: String?) throws(APIError) {
        guard let name, !names.contains(name) else { return }
        throw APIError(
            .notFound,
            "The model '\(name)' does not exist here; there is: \(names.joined(separator: ", "))",
            parameter: "model", code: "model_not_found")
    }

    /// OpenAI's description of the model.
    func document(name: String) -> JSONValue {
        [
            "id": .string(name), "object": "model", "created": .count(created),
            "owned_by": "kapok", "root": .string(service.modelName), "parent": nil,
            "max_model_len": .count(service.contextLimit),
        ]
    }
}

/// Whether there is a model, and which.
final class ModelSlot: Sendable {
    enum State: Sendable {
        case loading
        case ready(ServedModel)
        case failed(String)
        /// Requests on kept connections are still answered.
        case draining(ServedModel?)
    }

    private let state = Mutex(State.loading)

    var current: State { state.withLock { $0 } }

    func set(_ new: State) { state.withLock { $0 = new } }

    /// No new client should come: health says so.
    func drain() {
        state.withLock { state in
            if case .ready(let model) = state {
                state = .draining(model)
            } else {
                state = .draining(nil)
            }
        }
    }

    /// The model, or why there is none.
    func model() throws(APIError) -> ServedModel {
        switch current {
        case .ready(let model), .draining(.some(let model)): return model
        case .loading:
            throw APIError(
                .unavailable, "the model is being loaded: try again in a moment", retryAfter: 1)
        case .failed(let why):
            throw APIError(.unavailable, "the model could not be loaded: \(why)")
        case .draining(nil): throw APIError(.unavailable, "the server is going down")
        }
    }
}
