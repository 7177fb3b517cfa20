"""`kapok chip systolic` against SCALE-Sim 3: total cycles, utilisation, mapping efficiency and
operand reads of random matrix products, for three dataflows on arrays of several sizes.

Runs in an environment of its own that has scalesim (with NumPy 1 and pandas 2). SCALE-Sim runs with
memories so large that nothing stalls: then its total cycles are compute cycles.
"""

import concurrent.futures
import contextlib
import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile

from scalesim.scale_sim import scalesim

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from region import FULL, Checks  # noqa: E402

# Rows, columns, and the largest M, K and N: ragged folds on each, little for SCALE-Sim to do.
ARRAYS = [(8, 8, 40), (32, 32, 100), (128, 128, 260)] + ([(16, 4, 40)] if FULL else [])
GEMMS = 200 if FULL else 12
CONFIG = """\
[general]
run_name = gemm
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {columns}
IfmapSramSzkB = 4096
FilterSramSzkB = 4096
OfmapSramSzkB = 4096
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = {dataflow}
Bandwidth = 10
ReadRequestBuffer = 32
WriteRequestBuffer = 32
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""

checks = Checks()


def simulate(job):
    """SCALE-Sim's reports of many products in one run: a list of dictionaries."""
    rows, columns, dataflow, gemms = job
    with tempfile.TemporaryDirectory(prefix="kapok-scalesim-") as folder:
        config = os.path.join(folder, "array.cfg")
        topology = os.path.join(folder, "gemm.csv")
        with open(config, "w") as file:
            file.write(CONFIG.format(rows=rows, columns=columns, dataflow=dataflow))
        with open(topology, "w") as file:
            file.write("Layer, M, N, K,\n")
            file.writelines(f"g{i}, {m}, {n}, {k},\n" for i, (m, k, n) in enumerate(gemms))
        with contextlib.redirect_stdout(io.StringIO()):
            scalesim(
                save_disk_space=True, verbose=False, config=config, topology=topology,
                layout=topology, input_type_gemm=True).run_scale(top_path=folder)
        reports = []
        for name in ("COMPUTE_REPORT.csv", "DETAILED_ACCESS_REPORT.csv"):
            with open(os.path.join(folder, "gemm", name), newline="") as file:
                reports.append(list(csv.DictReader(file, skipinitialspace=True)))
        return [{**compute, **access} for compute, access in zip(*reports, strict=True)]


def kapok(job):
    rows, columns, dataflow, (m, k, n) = job
    output = subprocess.run(
        [os.environ["KAPOK_BINARY"], "chip", "systolic",
         "--m", str(m), "--k", str(k), "--n", str(n), "--array", f"{rows}x{columns}",
         "--dataflow", dataflow, "--json"],
        check=True, capture_output=True, text=True, timeout=60).stdout
    return json.loads(output)


def compare(name, ours, theirs, macs):
    total = float(theirs["Total Cycles"])
    checks.equal(f"{name}: SCALE-Sim did not stall", float(theirs["Stall Cycles"]), 0)
    checks.equal(f"{name}: compute cycles", ours["computeCycles"], total)
    # SCALE-Sim divides by the number of the last cycle, Kapok by the number of cycles.
    used = ours["utilisation"] * ours["cycles"] / total * 100
    checks.that(
        f"{name}: utilisation", abs(used - float(theirs["Overall Util %"])) < 1e-6,
        (used, theirs["Overall Util %"]))
    mapped = ours["mappingEfficiency"] * 100
    checks.that(
        f"{name}: mapping efficiency", abs(mapped - float(theirs["Mapping Efficiency %"])) < 1e-6,
        (mapped, theirs["Mapping Efficiency %"]))
    checks.equal(f"{name}: reads of A", ours["readsOfA"], float(theirs["SRAM IFMAP Reads"]))
    checks.equal(f"{name}: reads of B", ours["readsOfB"], float(theirs["SRAM Filter Reads"]))
    checks.equal(f"{name}: multiplications", ours["multiplyAdds"], macs)


def main():
    jobs = []
    for rows, columns, largest in ARRAYS:
        numbers = random.Random(f"{rows}x{columns}")
        gemms = [tuple(numbers.randint(1, largest) for _ in range(3)) for _ in range(GEMMS)]
        jobs += [(rows, columns, dataflow, gemms) for dataflow in ("ws", "os", "is")]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as processes, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        for job, theirs in zip(jobs, processes.map(simulate, jobs), strict=True):
            rows, columns, dataflow, gemms = job
            ours = threads.map(kapok, [(rows, columns, dataflow, gemm) for gemm in gemms])
            for gemm, mine, other in zip(gemms, ours, theirs, strict=True):
                m, k, n = gemm
                name = f"{m}x{k}x{n} on {rows}x{columns} {dataflow}"
                compare(name, mine, other, m * k * n)
    checks.finish()


if __name__ == "__main__":
    main()
