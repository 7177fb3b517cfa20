import Synchronization

/// Counts requests by route and status. Both are bounded: routes are the server's own, and what
/// leads nowhere is one route.
final class HTTPMetrics: Sendable {
    private struct Series: Hashable {
        var route: String
        var status: Int
    }

    private struct State {
        var requests: [Series: UInt64] = [:]
        var inFlight = 0
        var vanished: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Takes a request in unless there are `limit` already.
    func begin(limit: Int) -> Bool {
        state.withLock { state in
            guard state.inFlight < limit else { return false }
            state.inFlight += 1
            return true
        }
    }

    /// The request that was taken in is over.
    func end() { state.withLock { $0.inFlight -= 1 } }

    /// Requests under way.
    var inFlight: Int { state.withLock { $0.inFlight } }

    /// An answer was begun.
    func answered(route: String, status: Int) {
        state.withLock { $0.requests[Series(route: route, status: status), default: 0] += 1 }
    }

    /// A client went away before its answer was complete.
    func vanished() { state.withLock { $0.vanished += 1 } }

    /// The figures in Prometheus' text format.
    func text() -> String {
        let state = state.withLock { $0 }
        var text = """
            # HELP kapok_http_requests_total Requests answered, by route and status.
            # TYPE kapok_http_requests_total counter

            """
        let ordered = state.requests.sorted {
            ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status)
        }
        for (series, count) in ordered {
            text += "kapok_http_requests_total{route=\"\(series.route)\","
            text += "status=\"\(series.status)\"} \(count)\n"
        }
        text += """
            # HELP kapok_http_requests_in_flight Requests that are being worked on.
            # TYPE kapok_http_requests_in_flight gauge
            kapok_http_requests_in_flight \(state.inFlight)
            # HELP kapok_http_clients_vanished_total Clients that went away before their answer.
            # TYPE kapok_http_clients_vanished_total counter
            kapok_http_clients_vanished_total \(state.vanished)

            """
        return text
    }
}
