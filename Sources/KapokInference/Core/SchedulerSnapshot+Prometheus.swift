extension SchedulerSnapshot {
    /// Queue, pages, cache and preemptions in Prometheus' text format. What the engine counts
    /// request by request (tokens, drafts, ends) is not repeated.
    public var prometheusText: String {
        var text = ""
        func add(_ name: String, _ type: String, _ help: String, _ lines: [(String, UInt64)]) {
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
            for (labels, value) in lines { text += "\(name)\(labels) \(value)\n" }
        }
        add(
            "kapok_requests_waiting", "gauge", "Requests in line.",
            [
                ("{mode=\"standard\"}", UInt64(standard.waiting)),
                ("{mode=\"optimized\"}", UInt64(optimized.waiting)),
            ])
        add(
            "kapok_requests_running", "gauge", "Requests that take part in steps.",
            [
                ("{mode=\"standard\"}", UInt64(standard.running)),
                ("{mode=\"optimized\"}", UInt64(optimized.running)),
            ])
        add(
            "kapok_prefills_held", "gauge", "Prompts computed for others and held for them.",
            [("", UInt64(held))])
        add("kapok_pulls", "gauge", "Pulls not answered yet.", [("", UInt64(pulls))])
        add(
            "kapok_kv_pages", "gauge", "Pages of keys and values, by what they are for.",
            [
                ("{state=\"free\"}", UInt64(pagesFree)),
                ("{state=\"cached\"}", UInt64(pagesCached)),
                ("{state=\"held\"}", UInt64(pagesHeld)),
            ])
        add(
            "kapok_prefix_cache_hit_tokens_total", "counter",
            "Prompt tokens found in the prefix cache.", [("", totals.cachedTokens)])
        add(
            "kapok_pulls_failed_total", "counter",
            "Pulls that brought less than asked for, or were given up.",
            [("", totals.failedPulls)])
        add(
            "kapok_steps_failed_total", "counter", "Steps that failed as a whole.",
            [("", totals.failedSteps)])
        return text
    }
}
