"""Kapok's CPU backend beside llama.cpp's, on the same files, in turns.

    python llama_compare.py --kapok .build/release/kapok --model m.gguf [--threads 2] [--rounds 5]

The peer is PyPI's llama-cpp-python, which must have been built from source on this machine, so that
it uses all that the processor has (Benchmarks/serving.sh does that). Other quantisations are made
from the one file by `kapok model quantize`. Each round runs both programs once, one after the other;
the figures are medians over rounds, in tokens per second. With `--kernels` each round also measures
the kernels beside the limits of this machine (kernel_shares.py).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import kernel_shares
import model_files

BARS = {  # prefill, decode
    "q4_1": (4.0, 2.5), "q4_0": (1.5, 1.5), "q8_0": (1.5, 1.5), "f16": (1.2, 1.2),
    "q4_k": (1.2, 1.2),
}


def run_peer(path, threads, prompt, generate):
    """One measurement of llama.cpp in this process, printed as JSON."""
    import llama_cpp

    model = llama_cpp.Llama(
        path, n_ctx=prompt + generate + 16, n_batch=prompt, n_ubatch=prompt, n_threads=threads,
        n_threads_batch=threads, verbose=False)
    vocabulary = model.n_vocab()
    tokens = [(i * 7919) % (vocabulary - 200) + 100 for i in range(prompt)]
    memory = llama_cpp.llama_get_memory(model.ctx)
    results = []
    for _ in range(2):  # the first one warms up
        llama_cpp.llama_memory_clear(memory, True)
        results.append((decode(model, tokens, 0), generate_one_by_one(model, tokens, generate)))
    prefill, decoding = results[-1]
    print(json.dumps({"prefill": prompt / prefill, "decode": generate / decoding}))


def decode(model, tokens, start):
    """Seconds to run `tokens` from position `start` on, to the logits of the last one."""
    import llama_cpp

    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i] = token
        batch.pos[i] = start + i
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = 0
        batch.logits[i] = i == len(tokens) - 1
    begin = time.perf_counter()
    if llama_cpp.llama_decode(model.ctx, batch) != 0:
        sys.exit("llama_decode failed")
    llama_cpp.llama_get_logits_ith(model.ctx, len(tokens) - 1)[0]
    seconds = time.perf_counter() - begin
    llama_cpp.llama_batch_free(batch)
    return seconds


def generate_one_by_one(model, tokens, count):
    return sum(decode(model, [tokens[i]], len(tokens) + i) for i in range(count))


def run_kapok(binary, path, threads, prompt, generate):
    output = subprocess.run(
        [binary, "model", "bench", path, "--threads", str(threads), "--prompt", str(prompt),
         "--generate", str(generate), "--repeat", "1", "--json"],
        check=True, capture_output=True, text=True).stdout
    figures = json.loads(output)
    return {"prefill": figures["prefillTokensPerSecond"],
            "decode": figures["decodeTokensPerSecond"]}


def compare(arguments, kind):
    path = model_files.file_of(arguments, kind)
    ours, theirs, kernels = [], [], []
    for _ in range(arguments.rounds):
        output = subprocess.run(
            [sys.executable, __file__, "--peer", path, "--threads", str(arguments.threads),
             "--prompt", str(arguments.prompt), "--generate", str(arguments.generate)],
            check=True, capture_output=True, text=True).stdout
        theirs.append(json.loads(output.splitlines()[-1]))
        ours.append(run_kapok(
            arguments.kapok, path, arguments.threads, arguments.prompt, arguments.generate))
        if arguments.kernels:
            kernels.append(kernel_shares.measure(arguments.kernels, kind, arguments.threads))
    row = {"type": kind, "loadAverage": os.getloadavg()[0]}
    if kernels:
        row["kernels"] = kernel_shares.shares(kernels)
    for phase, bar in zip(("prefill", "decode"), BARS.get(kind, (1.0, 1.0))):
        a = [r[phase] for r in ours]
        b = [r[phase] for r in theirs]
        row[phase] = {
            "kapok": statistics.median(a), "kapokRange": [min(a), max(a)],
            "llama": statistics.median(b), "llamaRange": [min(b), max(b)],
            "ratio": statistics.median(a) / statistics.median(b), "bar": bar}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--kernels", help="ModelBenchmark, to measure kernels each round, too")
    model_files.add_options(parser, "q4_1,q4_0,q8_0,f16,q4_k")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.peer:
        run_peer(arguments.peer, arguments.threads, arguments.prompt, arguments.generate)
        return
    rows = [compare(arguments, kind) for kind in arguments.types.split(",")]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'type':6} {'phase':8} {'kapok':>8} {'llama.cpp':>10} {'ratio':>6} {'bar':>5}  ranges")
    for row in rows:
        for phase in ("prefill", "decode"):
            r = row[phase]
            print(f"{row['type']:6} {phase:8} {r['kapok']:8.0f} {r['llama']:10.0f} "
                  f"{r['ratio']:6.2f} {r['bar']:5.1f}  "
                  f"{r['kapokRange'][0]:.0f}-{r['kapokRange'][1]:.0f} / "
                  f"{r['llamaRange'][0]:.0f}-{r['llamaRange'][1]:.0f}")
    if arguments.kernels:
        kernel_shares.print_table([(row["type"], k) for row in rows for k in row["kernels"]])


main()
