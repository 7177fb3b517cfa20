/// What the metrics of a region's parts mean: swift-metrics carries names, and no explanations.
enum MetricHelp {
    static let texts: [String: String] = [
        "kapok_s3_requests_total": "S3 requests that were answered, by operation and status.",
        "kapok_s3_request_seconds": "From a request's head to the end of its answer.",
        "kapok_s3_received_bytes_total": "Bytes of request bodies.",
        "kapok_s3_sent_bytes_total": "Bytes of answers' bodies.",
    ]
}
