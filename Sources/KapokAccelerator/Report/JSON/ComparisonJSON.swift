extension JSONReport {
    /// What changed from one profile to another, as JSON: schema `kapok.comparison`, version 1,
    /// described in `docs/profile-formats.md`. Times are milliseconds; each change has `before`,
    /// `after`, `delta`.
    public static func comparison(_ before: Profile, _ after: Profile) -> String {
        let comparison = ProfileComparison(before, after)
        let writer = ComparisonWriter(machine: before.machine)
        var json = JSONWriter()
        json.object { json in
            json.member("schema", "kapok.comparison")
            json.member("version", version)
            for (name, profile) in [("before", before), ("after", after)] {
                json.key(name)
                json.object { head(profile, &$0) }
            }
            writer.change("totalMilliseconds", comparison.makespan, &json)
            writer.engines(comparison, &json)
            writer.lines(comparison, &json)
            metrics(before, after, &json)
        }
        return json.text + "\n"
    }

    private static func metrics(
        _ before: Profile, _ after: Profile, _ json: inout JSONWriter
    ) {
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
}

/// Writes changes in milliseconds of the first profile's machine.
private struct ComparisonWriter {
    let machine: Machine

    func change(
        _ name: String, _ change: ProfileComparison.Change, _ json: inout JSONWriter
    ) {
        json.key(name)
        json.object { json in
            json.member("before", machine.nanoseconds(ticks: change.before) / 1e6)
            json.member("after", machine.nanoseconds(ticks: change.after) / 1e6)
            json.member("delta", machine.nanoseconds(ticks: change.delta) / 1e6)
        }
    }

    func engines(_ comparison: ProfileComparison, _ json: inout JSONWriter) {
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

    func lines(_ comparison: ProfileComparison, _ json: inout JSONWriter) {
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
