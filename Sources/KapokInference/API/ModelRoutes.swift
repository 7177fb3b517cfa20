import Hummingbird
import KapokModel
import OrderedCollections

/// `GET /v1/models` and `GET /v1/models/{id}`.
enum ModelRoutes {
    static func list(_ call: APICall) -> Response {
        Answer.json([
            "object": "list",
            "data": .array(call.model.names.map { call.model.document(name: $0) }),
        ])
    }

    /// One model; its name may hold slashes.
    static func one(_ call: APICall, name: String) throws(APIError) -> Response {
        try call.model.check(name: name)
        return Answer.json(call.model.document(name: name))
    }
}
