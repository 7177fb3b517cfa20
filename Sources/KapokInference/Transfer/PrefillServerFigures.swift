import Synchronization

/// The figures of a prefill role's transfers, written by its loop and read by anybody.
final class PrefillServerFigures: Sendable {
    struct Values: Sendable {
        var counts = LeaseCounts()
        var transfers = 0
        var connections = 0
        var pinnedPages = 0
        var waitingTokens = 0
        var sentBytes: UInt64 = 0
        var refusedPeers: UInt64 = 0
    }

    private let values = Mutex(Values())
    private let isAuthenticated: Bool
    private let isAttested: Bool

    init(_ options: TransferOptions) {
        isAuthenticated = options.secret != nil
        isAttested = !(options.attestation is NoAttestation)
    }

    func set(_ new: Values) { values.withLock { $0 = new } }

    func text() -> String {
        let values = values.withLock { $0 }
        let counts = values.counts
        var text = PrometheusLines()
        text.gauge(
            "kapok_kv_transfer_authenticated", "Whether peers prove to know the transfer key.",
            isAuthenticated ? 1 : 0)
        text.gauge(
            "kapok_kv_transfer_attested", "Whether peers are attested.", isAttested ? 1 : 0)
        text.gauge("kapok_kv_leases", "Transfers that hold pages.", values.transfers)
        text.gauge(
            "kapok_kv_lease_pages", "Pages pinned for decode roles.", values.pinnedPages)
        text.gauge(
            "kapok_kv_lease_waiting_tokens", "Tokens asked for and not computed.",
            values.waitingTokens)
        text.gauge(
            "kapok_kv_lease_connections", "Connections of decode roles.", values.connections)
        text.counter(
            "kapok_kv_lease_transfers_total", "Transfers by what became of them.",
            [
                ("outcome=\"accepted\"", counts.accepted), ("outcome=\"refused\"", counts.refused),
                ("outcome=\"released\"", counts.released), ("outcome=\"expired\"", counts.expired),
                ("outcome=\"lost\"", counts.lost), ("outcome=\"failed\"", counts.failed),
            ])
        text.counter("kapok_kv_lease_pages_sent_total", "Pages sent.", [("", counts.pages)])
        text.counter("kapok_kv_lease_bytes_sent_total", "Bytes sent.", [("", values.sentBytes)])
        text.counter(
            "kapok_kv_lease_closed_total", "Connections closed for silence or misuse.",
            [("", counts.closed)])
        text.counter(
            "kapok_kv_lease_refused_peers_total", "Peers refused in the handshake.",
            [("", values.refusedPeers)])
        return text.text
    }
}

/// Writes figures as Prometheus reads them (text exposition format 0.0.4).
struct PrometheusLines {
    private(set) var text = ""

    mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) gauge\n\(name) \(value)\n"
    }

    mutating func gauge(_ name: String, _ help: String, _ values: [(labels: String, Int)]) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) gauge\n"
        for (labels, value) in values { text += "\(name){\(labels)} \(value)\n" }
    }

    mutating func counter(_ name: String, _ help: String, _ values: [(labels: String, UInt64)]) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) counter\n"
        for (labels, value) in values {
            text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
        }
    }
}
