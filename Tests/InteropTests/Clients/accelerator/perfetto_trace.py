"""`kapok kernel profile --trace --csv`: traces of several kernels, read with the protobuf classes of PyPI's
`perfetto` and compared slice by slice with the CSV tables of the same run."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from region import FULL, Checks  # noqa: E402
from perfetto_decode import Expected, Trace, TraceError, compare  # noqa: E402

checks = Checks()

# Arguments of `kapok kernel profile`; the shapes differ in units, types, transfers and length.
RUNS = [
    ["matmul", "--step", "v2", "--m", "512", "--k", "512", "--n", "1024", "--type", "fp32"],
    ["matmul", "--step", "v5", "--m", "1024", "--k", "1024", "--n", "1024", "--type", "bf16"],
    ["matmul", "--step", "v2", "--m", "256", "--k", "512", "--n", "512", "--machine", "trn1"],
    ["softmax", "--rows", "512", "--columns", "2048"],
]
LONG_RUNS = [
    ["matmul", "--step", "v2", "--m", "4096", "--k", "8192", "--n", "8192", "--type", "fp32"],
]
# The bar for traces with many slices; small ones also carry their tables of names.
BYTES_PER_SLICE = 16
MANY_SLICES = 20_000


def profile(arguments, folder):
    trace = os.path.join(folder, "run.pftrace")
    tables = os.path.join(folder, "tables")
    result = subprocess.run(
        [os.environ["KAPOK_BINARY"], "kernel", "profile", *arguments, "--trace", trace, "--csv",
         tables, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if result.returncode != 0:
        raise RuntimeError(f"kapok ended with {result.returncode}: {result.stderr[-2000:]}")
    return trace, tables, json.loads(result.stdout)


def is_lossless(arguments):
    name = " ".join(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path, tables, report = profile(arguments, folder)
        trace = Trace(path)
        checks.equal(f"{name}: the makespan", trace.makespan, report["totalTicks"])
        try:
            slices, arrows = compare(trace, Expected(tables))
            checks.that(f"{name}: slices", slices == trace.slice_count and slices > 0)
            checks.that(f"{name}: arrows", arrows > 0)
            print(f"{name}: {slices} slices, {arrows} arrows, "
                  f"{trace.size / slices:.2f} bytes a slice")
        except TraceError as error:
            checks.that(f"{name}: as the tables say", False, str(error))
        adds_up(name, trace, report)
        if trace.slice_count >= MANY_SLICES:
            checks.that(f"{name}: at most {BYTES_PER_SLICE} bytes a slice",
                        trace.size <= BYTES_PER_SLICE * trace.slice_count)


def adds_up(name, trace, report):
    """Stalls of each row are the JSON report's; with the work they are the whole run."""
    for engine, facts in report["engines"].items():
        if engine == "dma":
            continue
        stalls = {}
        for slice in trace.slices.get(f"{engine} stalls", []):
            stalls[slice.name] = stalls.get(slice.name, 0) + slice.end - slice.begin
        checks.equal(f"{name}: stalls of {engine}", stalls, facts["stallTicks"])
        checks.equal(f"{name}: time of {engine}",
                     sum(stalls.values()) + facts["activeTicks"], report["totalTicks"])


def has_counters(arguments):
    with tempfile.TemporaryDirectory() as folder:
        path, _, report = profile(arguments, folder)
        trace = Trace(path)
        for row in ("SBUF in use", "PSUM in use", "DMA throughput"):
            samples = trace.counters.get(row, [])
            times = [time for time, _ in samples]
            checks.that(f"{row} rises and ends at 0", len(samples) > 1
                        and max(value for _, value in samples) > 0 and samples[-1][1] == 0)
            checks.equal(f"{row} in order of time", times, sorted(times))
        checks.that("the run used memory",
                    report["metrics"]["peakSBUFBytesPerPartition"]["value"] > 0)


def main():
    for arguments in RUNS + (LONG_RUNS if FULL else []):
        checks.section(is_lossless, arguments)
    checks.section(has_counters, RUNS[1])
    checks.finish()


if __name__ == "__main__":
    main()
