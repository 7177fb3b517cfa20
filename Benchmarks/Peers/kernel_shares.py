"""Kapok's kernels beside the limits of this machine, measured by Benchmarks/Model in the rounds of
a comparison: GEMV as a share of read bandwidth, int8 GEMM as a share of the peak of vpdpbusd.
"""
import json
import statistics
import subprocess


def measure(program, kind, threads):
    """One round: shares of weights of type `kind`, each from a few turns of limit and kernel."""
    output = subprocess.run(
        [program, "--threads", str(threads), "--types", kind, "--sets", "model", "--rounds", "3",
         "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(output)[0]


def shares(rounds):
    """Medians over rounds, with their range: name, share, least, most, limit, bar or None."""
    rows = []
    for i, row in enumerate(rounds[0]["gemv"]["rows"]):
        rows.append(summary(
            f"GEMV {row['weights']}", [r["gemv"]["rows"][i] for r in rounds], "GBps",
            rounds[0]["gemv"]["bar"]))
    for i, row in enumerate(rounds[0]["gemm"]["rows"]):
        bar = rounds[0]["gemm"]["bar"] if "passes" in row else None
        name = f"GEMM {row['kernel']} n={row['tokens']}"
        rows.append(summary(name, [r["gemm"]["rows"][i]["block"] for r in rounds], "GOPS", bar))
        if "whole" in row:
            rows.append(summary(
                name + " whole", [r["gemm"]["rows"][i]["whole"] for r in rounds], "GOPS", None))
    return rows


def summary(name, samples, unit, bar):
    values = [s["share"] for s in samples]
    share = statistics.median(values)
    return {"name": name, "share": share, "range": [min(values), max(values)],
            "kernel": statistics.median(s["kernel" + unit] for s in samples),
            "limit": statistics.median(s["limit" + unit] for s in samples), "unit": unit,
            "bar": bar, "passes": None if bar is None else share >= bar}


def print_table(rows):
    print(f"{'type':6} {'kernel':22} {'rate':>7} {'limit':>7} {'unit':5} {'share':>6} {'bar':>5}")
    for kind, row in rows:
        bar = "" if row["bar"] is None else f"{row['bar']:.0%}"
        verdict = {None: "", True: "met", False: "MISSED"}[row["passes"]]
        print(f"{kind:6} {row['name']:22} {row['kernel']:7.1f} {row['limit']:7.1f} "
              f"{row['unit']:5} {row['share']:6.1%} {bar:>5} {verdict:6} "
              f"{row['range'][0]:.1%}-{row['range'][1]:.1%}")
