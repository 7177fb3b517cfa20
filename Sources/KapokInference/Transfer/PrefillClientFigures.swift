import Synchronization

/// The figures of a decode role's pulls, written by its loop and read by anybody.
final class PrefillClientFigures: Sendable {
    struct Values: Sendable {
        var counts = PullCounts()
        var pulls = 0
        var isReady: [Bool] = []
        var receivedBytes: UInt64 = 0
        var refusals: UInt64 = 0
    }

    private let values = Mutex(Values())
    private let hosts: [String]
    private let isAuthenticated: Bool
    private let isAttested: Bool

    init(_ hosts: [TransferEndpoint], _ options: TransferOptions) {
        self.hosts = hosts.map(\.description)
        isAuthenticated = options.secret != nil
        isAttested = !(options.attestation is NoAttestation)
    }

    func set(_ new: Values) { values.withLock { $0 = new } }

    var readyHosts: Int { values.withLock { $0.isReady.count { $0 } } }

    func text() -> String {
        let values = values.withLock { $0 }
        let counts = values.counts
        var text = PrometheusLines()
        text.gauge(
            "kapok_kv_transfer_authenticated", "Whether peers prove to know the transfer key.",
            isAuthenticated ? 1 : 0)
        text.gauge(
            "kapok_kv_transfer_attested", "Whether peers are attested.", isAttested ? 1 : 0)
        text.gauge("kapok_kv_pulls", "Pulls that go on.", values.pulls)
        text.gauge(
            "kapok_kv_pull_host_ready", "Whether a prefill host is connected.",
            zip(hosts, values.isReady).map { ("host=\"\($0)\"", $1 ? 1 : 0) })
        text.counter(
            "kapok_kv_pulls_total", "Pulls by how they ended.",
            PullEnd.allCases.map { ("end=\"\($0.rawValue)\"", counts.ends[$0] ?? 0) })
        text.counter("kapok_kv_pull_pages_total", "Pages taken.", [("", counts.pages)])
        text.counter(
            "kapok_kv_pull_corrupt_pages_total", "Pages with a wrong code or of other tokens.",
            [("", counts.corruptPages)])
        text.counter(
            "kapok_kv_pull_tokens_total", "Tokens whose keys and values were pulled.",
            [("", counts.tokens)])
        text.counter(
            "kapok_kv_pull_bytes_total", "Bytes received.", [("", values.receivedBytes)])
        text.counter(
            "kapok_kv_pull_second_attempts_total", "Pulls that went on with another host.",
            [("", counts.secondAttempts)])
        text.counter(
            "kapok_kv_pull_host_failures_total", "Connections that failed or were lost.",
            [("", counts.hostFailures)])
        text.counter(
            "kapok_kv_pull_host_restarts_total", "Hosts that came back as another run.",
            [("", counts.hostRestarts)])
        text.counter(
            "kapok_kv_pull_refusals_total", "Handshakes that were refused, by either side.",
            [("", values.refusals)])
        return text.text
    }
}
