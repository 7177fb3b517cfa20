/// Writes what changed from one profile to another as JSON, times in milliseconds of the first
/// profile's machine.
struct ComparisonWriter {
    private let before: Profile
    private let after: Profile
    private let machine: Machine

    init(_ before: Profile, _ after: Profile) {
        self.before = before
        self.after = after
        machine = before.machine
    }

    /// The document.
    func text() -> String {
        let comparison = ProfileComparison(before, after)
        var json = JSONWriter()
        json.object { json in
            json.member("schema", "kapok.comparison")
            json.member("version", ComparisonReport.version)
            for (name, profile) in [("before", before), ("after", after)] {
                json.key(name)
                json.object { JSONReport.head(profile, &$0) }
            }
            change("totalMilliseconds", comparison.makespan, &json)
            engines(comparison, &json)
            lines(comparison, &json)
            metrics(&json)
        }
        return json.text + "\n"
    }

    private func metrics(_ json: inout JSONWriter) {
        json.key("metrics")
        json.object { json in
            for (first, second) in zip(
                MetricSummary.all(of: before), MetricSummary.all(of: after))
            {
                json.key(first.name)
                json.object { json in
                    json.member("before", first.value)
                    json.member("after", second.value)
                    json.member("delta", second.value - first.value)
                }
            }
        }
    }

    private func change(
        _ name: String, _ change: ProfileComparison.Change, _ json: inout JSONWriter
    ) {
        json.key(name)
        json.object { json in
            json.member("before", machine.nanoseconds(ticks: change.before) / 1e6)
            json.member("after", machine.nanoseconds(ticks: change.after) / 1e6)
            json.member("delta", machine.nanoseconds(ticks: change.delta) / 1e6)
        }
    }

    private func engines(_ comparison: ProfileComparison, _ json: inout JSONWriter) {
        json.key("engines")
        json.object { json in
            for unit in comparison.units {
                json.key(EngineSummary.name(of: unit.unit))
                json.object { json in
                    change("activeMilliseconds", unit.busy, &json)
                    json.key("stalls")
                    json.object { json in
                        for reason in StallReason.allCases {
                            let stalled = unit.stalled[Int(reason.rawValue)]
                            guard stalled.before > 0 || stalled.after > 0 else { continue }
                            change(reason.name, stalled, &json)
                        }
                    }
                }
            }
        }
    }

    private func lines(_ comparison: ProfileComparison, _ json: inout JSONWriter) {
        json.key("lines")
        json.array { json in
            for line in comparison.lines {
                json.object { json in
                    json.member("file", line.line.file)
                    json.member("line", line.line.line)
                    change("busyMilliseconds", line.busy, &json)
                    change("causedMilliseconds", line.stallsCaused, &json)
                    change("criticalMilliseconds", line.critical, &json)
                }
            }
        }
    }
}
