import Foundation
import KapokStore

/// What the api tells of the store and the process beside what swift-metrics has counted.
enum StoreMetrics {
    /// All of it, as text for Prometheus.
    static func exposition(report: StoreReport, counters: StoreCounters) -> String {
        var text = TextExposition()
        write(report, into: &text)
        write(report.drives, into: &text)
        write(counters, into: &text)
        writeProcess(into: &text)
        return text.text
    }

    private static func write(_ report: StoreReport, into text: inout TextExposition) {
        text.single(
            "kapok_store_capacity_bytes", .gauge,
            help: "Bytes of objects that fit in all, with all drives healthy.", report.capacityBytes
        )
        text.single(
            "kapok_store_live_bytes", .gauge,
            help: "Bytes of objects and their records that live.", report.liveBytes)
        text.single(
            "kapok_store_free_bytes", .gauge,
            help: "Bytes of objects that fit without compaction.", report.freeBytes)
        text.single(
            "kapok_store_extents", .gauge, help: "Extents that are not given back.",
            report.extents)
        text.single(
            "kapok_store_degraded_extents", .gauge,
            help: "Extents that lack shards because a drive of theirs has failed.",
            report.degradedExtents)
        text.single(
            "kapok_store_takes_writes", .gauge, help: "1 when writes are taken, 0 when refused.",
            report.refusesWrites == nil ? 1 : 0)
        text.single(
            "kapok_store_epoch", .gauge, help: "The epoch of the head that serves.", report.epoch)
    }

    private static func write(_ drives: [DriveReport], into text: inout TextExposition) {
        let failed = drives.count { $0.failure != nil }
        text.family("kapok_store_drives", .gauge, help: "Drives of the store, by state.")
        text.sample("kapok_store_drives", [("state", "failed")], "\(failed)")
        text.sample("kapok_store_drives", [("state", "healthy")], "\(drives.count - failed)")
        text.family("kapok_drive_healthy", .gauge, help: "1 when the drive works, 0 when failed.")
        for drive in drives {
            text.sample(
                "kapok_drive_healthy", [("drive", "\(drive.position)")],
                drive.failure == nil ? "1" : "0")
        }
        text.family("kapok_drive_used_slots", .gauge, help: "Slots that an extent has.")
        for drive in drives {
            text.sample(
                "kapok_drive_used_slots", [("drive", "\(drive.position)")], "\(drive.usedSlots)")
        }
    }

    private static func write(_ counters: StoreCounters, into text: inout TextExposition) {
        let machine = counters.machine
        let counts: [(name: String, help: String, value: UInt64)] = [
            ("commits", "Transactions that were committed.", machine.commits),
            ("conflicts", "Transactions that were refused for a conflict.", machine.conflicts),
            ("batches", "Batches of transactions that were written together.", machine.batches),
            ("flushes", "Flush commands sent to drives.", machine.flushes),
            ("stripes", "Stripes written.", machine.stripes),
            ("written_bytes", "Bytes written to drives.", machine.bytesWritten),
            ("index_commits", "Commits of the index.", machine.indexCommits),
            ("drive_failures", "Drives that failed.", machine.driveFailures),
            ("extents_released", "Extents given back by compaction.", machine.extentsReleased),
            ("chunk_reads", "Chunks read.", counters.chunksRead),
            ("degraded_reads", "Chunks whose bytes had to be rebuilt.", counters.degradedReads),
            ("lost_reads", "Chunks that could not be read.", counters.lostReads),
        ]
        for count in counts {
            text.single("kapok_store_\(count.name)_total", .counter, help: count.help, count.value)
        }
        text.single(
            "kapok_store_pending_commits", .gauge,
            help: "Transactions that wait to be durable.", counters.pendingCommits)
        text.single(
            "kapok_store_overlay_entries", .gauge,
            help: "Entries that are durable and on their way to the index.",
            counters.overlayEntries)
    }

    /// Under the names that Prometheus's own client libraries give them.
    private static func writeProcess(into text: inout TextExposition) {
        if let statm = FileManager.default.contents(atPath: "/proc/self/statm"),
            let pages = UInt64(
                String(decoding: statm, as: UTF8.self).split(separator: " ").dropFirst().first
                    ?? "")
        {
            text.single(
                "process_resident_memory_bytes", .gauge, help: "Resident memory size in bytes.",
                pages * UInt64(sysconf(Int32(_SC_PAGESIZE))))
        }
        if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            text.single(
                "process_open_fds", .gauge, help: "Number of open file descriptors.", open.count)
        }
    }
}
