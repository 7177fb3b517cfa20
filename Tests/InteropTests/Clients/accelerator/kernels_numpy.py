"""Every kernel of the library against NumPy: inputs and outputs go through .npy files, so that nothing
of Kapok's own reference or of its file reader is taken on trust.

Oracles compute in double precision from the inputs as their types hold them. The bound is that of
one rounding of the result and some hundred FP32 roundings of its largest element before it, and for
types of 16 bits inside of a kernel (probabilities, hidden activations) one rounding of those.
"""

import json
import os
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from region import FULL, Checks  # noqa: E402

KAPOK = os.environ["KAPOK_BINARY"]
TYPES = {"fp32": np.float32, "bf16": ml_dtypes.bfloat16, "fp16": np.float16, "uint32": np.uint32}
# Half a unit in the last place of a number of magnitude 1.
ROUNDING = {"fp32": 2.0**-24, "bf16": 2.0**-8, "fp16": 2.0**-11}
checks = Checks()


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q, k, v, causal, offset=0):
    """One head: rows of q see keys up to their own position plus offset."""
    scores = q @ k.T / np.sqrt(q.shape[-1])
    if causal:
        rows, columns = scores.shape
        hidden = np.arange(columns)[None, :] > np.arange(rows)[:, None] + offset
        scores = np.where(hidden, -np.inf, scores)
    return softmax(scores) @ v


def matmul(shape, x):
    return x["lhsT"].T @ x["rhs"]


def rows_softmax(shape, x):
    return softmax(x["x"])


def layernorm(shape, x):
    centred = x["x"] - x["x"].mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * x["gain"] + x["bias"]


def rmsnorm(shape, x):
    return x["x"] / np.sqrt((x["x"] ** 2).mean(-1, keepdims=True) + 1e-5) * x["gain"]


def transpose(shape, x):
    return x["x"].T


def scan(shape, x):
    output = np.zeros_like(x["delta"])
    for state in range(x["A"].shape[1]):
        decay = np.exp(x["delta"] * x["A"][:, state : state + 1])
        fed = x["delta"] * x["u"] * x["B"][state]
        h = np.zeros(len(output))
        for time in range(output.shape[1]):
            h = decay[:, time] * h + fed[:, time]
            output[:, time] += x["C"][state, time] * h
    return output


def attention(shape, x):
    q, k, v = x["q"], x["k"], x["v"]
    output = np.zeros_like(q)
    for batch in range(q.shape[0]):
        for head in range(q.shape[1]):
            shared = head * k.shape[1] // q.shape[1]
            output[batch, head] = attend(
                q[batch, head], k[batch, shared], v[batch, shared], shape.get("causal", 1))
    return output


def attention_decode(shape, x):
    q, k, v = x["q"], x["kT"].swapaxes(-1, -2), x["v"]
    output = np.zeros_like(q)
    for batch in range(q.shape[0]):
        for head in range(q.shape[1]):
            shared = head * k.shape[1] // q.shape[1]
            output[batch, head] = attend(
                q[batch, head : head + 1], k[batch, shared], v[batch, shared], False)[0]
    return output


def rope(shape, x):
    halves = x["x"].shape[-1] // 2
    cos, sin = x["cos"][:, None, :], x["sin"][:, None, :]
    output = np.empty_like(x["x"])
    first, second = slice(0, halves), slice(halves, None)
    if shape.get("interleaved", 0):
        first, second = slice(0, None, 2), slice(1, None, 2)
    a, b = x["x"][..., first], x["x"][..., second]
    output[..., first] = a * cos - b * sin
    output[..., second] = b * cos + a * sin
    return output


def silu(x):
    return x / (1 + np.exp(-x))


def swiglu(shape, x):
    return (silu(x["x"] @ x["gate"]) * (x["x"] @ x["up"])) @ x["down"]


def conv1d(shape, x):
    width, length = x["weights"].shape[1], x["x"].shape[-1]
    padded = np.pad(x["x"], [(0, 0), (0, 0), (width - 1, 0)])
    total = x["bias"][None] + sum(
        padded[:, :, tap : tap + length] * x["weights"][:, tap][None, :, None]
        for tap in range(width))
    return silu(total)


def conv2d(shape, x):
    pad, step = shape["padding"], shape["stride"]
    padded = np.pad(x["x"], [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, x["weights"].shape[2:], (2, 3))
    found = np.einsum("bchwij,ocij->bohw", windows[:, :, ::step, ::step], x["weights"])
    return found + x["bias"].reshape(1, -1, 1, 1)


def topk(shape, x):
    places = np.argsort(-x["x"], axis=-1, kind="stable")[:, : shape["k"]]
    return np.take_along_axis(x["x"], places, -1), places


# Kernel, its oracle, shapes to try, element types, how many times the type's rounding is allowed.
CASES = [
    ("matmul", matmul, [dict(m=128, k=128, n=512), dict(m=130, k=257, n=70), dict(m=1, k=1, n=1),
                        dict(m=300, k=200, n=1030)], ["fp32", "bf16", "fp16"], 1),
    ("softmax", rows_softmax, [dict(rows=130, columns=300), dict(rows=1, columns=1)],
     ["fp32", "bf16", "fp16"], 1),
    ("layernorm", layernorm, [dict(rows=130, columns=300), dict(rows=3, columns=2048)],
     ["fp32", "bf16"], 3),
    ("rmsnorm", rmsnorm, [dict(rows=130, columns=300), dict(rows=3, columns=2048)],
     ["fp32", "bf16"], 3),
    ("transpose", transpose, [dict(rows=130, columns=300), dict(rows=1, columns=129)],
     ["fp32", "bf16"], 0),
    ("scan", scan, [dict(channels=130, sequence=700, states=3),
                    dict(channels=16, sequence=1030, states=2)], ["fp32"], 1),
    ("attention", attention,
     [dict(batch=1, heads=2, kvHeads=1, sequence=200, headSize=64),
      dict(batch=2, heads=2, kvHeads=2, sequence=130, headSize=16, causal=0)],
     ["fp32", "bf16"], 3),
    ("attention-decode", attention_decode,
     [dict(batch=2, heads=4, kvHeads=2, headSize=64, length=200),
      dict(batch=1, heads=3, kvHeads=1, headSize=16, length=1)], ["fp32", "bf16", "fp16"], 3),
    ("rope", rope, [dict(sequence=130, heads=3, headSize=32),
                    dict(sequence=5, heads=2, headSize=10, interleaved=1)],
     ["fp32", "bf16", "fp16"], 1),
    ("swiglu", swiglu, [dict(tokens=130, model=96, hidden=200), dict(tokens=1, model=1, hidden=1)],
     ["fp32", "bf16"], 4),
    ("conv1d", conv1d, [dict(batch=2, channels=130, length=70, width=4),
                        dict(batch=1, channels=1, length=3, width=5)],
     ["fp32", "bf16", "fp16"], 1),
    ("conv2d", conv2d,
     [dict(batch=2, inputs=3, outputs=5, height=9, width=7, kernelHeight=3, kernelWidth=3,
           stride=1, padding=1),
      dict(batch=1, inputs=130, outputs=20, height=8, width=11, kernelHeight=2, kernelWidth=5,
           stride=2, padding=0)], ["fp32", "bf16"], 1),
    ("topk", topk, [dict(rows=130, columns=300, k=11), dict(rows=2, columns=16, k=8)],
     ["fp32", "bf16"], 0),
]


# Steps that take other shapes than the rest of their kernel.
STEP_SHAPES = {("transpose", "dma"): [dict(rows=16, columns=128), dict(rows=144, columns=256)]}


def option(name):
    return "--" + "".join("-" + c.lower() if c.isupper() else c for c in name)


def run(kernel, step, shape, type_name, inputs, folder):
    """Runs one kernel on arrays; returns its outputs in double precision."""
    command = [KAPOK, "kernel", "run", kernel, "--json", "--type", type_name, "--step", step]
    for name, value in shape.items():
        command += [option(name), str(value)]
    for name, array in inputs.items():
        path = os.path.join(folder, name + ".npy")
        np.save(path, array)
        command += ["--input", f"{name}={path}"]
    command += ["--output-directory", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    arrays = []
    for output in json.loads(done.stdout)["outputs"]:
        array = np.load(os.path.join(folder, output["name"] + ".npy"))
        if array.dtype.kind == "V":  # NumPy alone does not know the type
            array = array.view(TYPES[output["type"]])
        arrays.append(array.astype(np.float64))
    return arrays


def declared_inputs(kernel, step, shape, type_name):
    """Names, shapes and types of the inputs, as the built kernel declares them."""
    command = [KAPOK, "kernel", "build", kernel, "--json", "--type", type_name, "--step", step]
    for name, value in shape.items():
        command += [option(name), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return [tensor for tensor in json.loads(done.stdout)["tensors"] if tensor["role"] == "input"]


def values(random, kernel, name, shape):
    if kernel == "scan" and name == "delta":
        return random.uniform(0.001, 0.1, shape)
    if kernel == "scan" and name == "A":
        return random.uniform(-4, -0.1, shape)
    if kernel == "softmax":
        return random.uniform(-20, 20, shape)
    if kernel == "topk":  # no two alike, in any type
        return random.permuted(np.tile(np.arange(shape[1]) - shape[1] / 2, (shape[0], 1)), axis=1)
    return random.standard_normal(shape)


def case(kernel, oracle, step, shape, type_name, roundings, seed):
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        inputs = {}
        for tensor in declared_inputs(kernel, step, shape, type_name):
            array = values(random, kernel, tensor["name"], tensor["shape"])
            inputs[tensor["name"]] = array.astype(TYPES[tensor["type"]])
        wide = {name: array.astype(np.float64) for name, array in inputs.items()}
        exact = oracle(shape, wide)
        found = run(kernel, step, shape, type_name, inputs, folder)
    label = f"{kernel} {step} {type_name} {shape}"
    exact = exact if isinstance(exact, tuple) else (exact,)
    checks.equal(f"{label}: outputs", len(found), len(exact))
    for ours, theirs in zip(found, exact):
        compare(label, ours, theirs, type_name, roundings)


def compare(label, found, exact, type_name, roundings):
    checks.equal(f"{label}: shape", found.shape, exact.shape)
    if roundings == 0:  # nothing is computed
        return checks.that(f"{label}: exact", bool((found == exact).all()))
    scale = np.abs(exact).max() if exact.size else 0
    allowed = ((roundings * ROUNDING[type_name] + 256 * 2.0**-24) * scale
               + ROUNDING[type_name] * np.abs(exact))
    error = np.abs(found - exact)
    worst = float((error / np.maximum(allowed, 1e-300)).max())
    checks.that(f"{label}: values", bool((error <= allowed).all()), f"worst {worst:.3g}")


def main():
    listed = json.loads(
        subprocess.run([KAPOK, "kernel", "list", "--json"], capture_output=True, check=True).stdout)
    kernels = {kernel["name"]: kernel for kernel in listed["kernels"]}
    checks.equal("every kernel has an oracle", sorted(kernels), sorted({c[0] for c in CASES}))
    for kernel, oracle, shapes, types, roundings in CASES:
        for step in [step["name"] for step in kernels.get(kernel, {"steps": []})["steps"]]:
            tried = STEP_SHAPES.get((kernel, step), shapes)
            for shape in tried if FULL else tried[:2]:
                for type_name in types if FULL else types[:2]:
                    for seed in range(3 if FULL else 1):
                        checks.section(
                            case, kernel, oracle, step, shape, type_name, roundings, seed)


main()
checks.finish()
