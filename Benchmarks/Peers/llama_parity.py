"""Whether Kapok computes what llama.cpp computes: logits, greedy texts, perplexity.

    python llama_parity.py --kapok .build/release/kapok --model m.gguf [--types q4_1,f16]

Same files, same tokens (Benchmarks/parity.sh starts this with a built peer). Both are also held
against an oracle, llama.cpp on weights dequantised to F32 with nothing rounded in between: both
round activations of quantised weights to 8 bits, llama.cpp rounds those of F16 and BF16 to 16, and
both keep keys and values in 16 bits.

Rounding to 8 bits makes a computation chaotic: a float that changes in its last bit is rounded
elsewhere now and then, and some layers later all logits have moved as far as the rounding itself
moves them. So two programs that round alike are no nearer to each other than to the truth, and
llama.cpp with flash attention is as far from itself without. Therefore a share of equal texts is
asked for where weights are floats; for the others, no less than llama.cpp has with itself.

Exit code 1 when something is outside its bound. Results do not depend on the load of the machine;
llama.cpp gets very slow when others use it, though.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile

import numpy

import llama_peer
import model_files
import parity_server
import parity_texts

# Bounds on differences of logits, whose standard deviation is near 7 for this model: KL in nats,
# `top` the share of equal first choices. To the oracle first. Quantised weights leave 8 bits for
# activations, which moves the logits by 0.24 RMS; floats leave the cache's 16 bits.
FLOATS = {"max": 0.1, "rms": 0.01, "kl": 0.00002, "klMax": 0.001, "top": 0.995}
QUANTISED = {"max": 10.0, "rms": 0.35, "kl": 0.01, "klMax": 0.5, "top": 0.92}
FLOAT_TYPES = {"f32", "f16", "bf16"}
# To llama.cpp, by what it rounds activations to: 16 bits for F16 and BF16, 8 with a scale for each
# 32, and for K types 8 with a scale for each 256, which costs it more than that costs Kapok.
SIXTEEN = {"max": 0.5, "rms": 0.05, "kl": 0.0002, "klMax": 0.01, "top": 0.985}
SHORTER = {"max": 1.5, "rms": 0.15, "kl": 0.001, "klMax": 0.05, "top": 0.98}
COARSE = {"max": 25.0, "rms": 0.6, "kl": 0.02, "klMax": 1.0, "top": 0.9}
PEER = {"f32": FLOATS, "f16": SIXTEEN, "bf16": SHORTER, "q4_k": COARSE, "q6_k": COARSE}
# No farther from the oracle than llama.cpp is, times this. Nothing to say for F32, where both are
# at rounding's distance.
FARTHER = 1.2
# Greedy texts that are equal, where weights are floats. Elsewhere: this many standard errors below
# what llama.cpp has with itself.
EQUAL_TEXTS = 0.95
ERRORS = 2.5
PERPLEXITY = 0.005
START_SECONDS = 0.5


class Findings:
    """What is outside its bound."""

    def __init__(self):
        self.failures = []

    def within(self, claim, holds):
        if not holds:
            self.failures.append(claim)
        return holds


def differences(ours, theirs):
    """How far logits are from others, row by row of the same tokens."""
    largest, squares, kl, top = 0.0, 0.0, [], 0
    for row, other in zip(ours.astype(numpy.float64), theirs.astype(numpy.float64)):
        apart = row - other
        largest = max(largest, float(numpy.abs(apart).max()))
        squares += float((apart * apart).mean())
        p, q = log_softmax(other), log_softmax(row)
        kl.append(float((numpy.exp(p) * (p - q)).sum()))
        top += int(row.argmax() == other.argmax())
    return {
        "max": largest, "rms": (squares / len(kl)) ** 0.5, "kl": statistics.fmean(kl),
        "klMax": max(kl), "top": top / len(kl)}


def log_softmax(row):
    row = row - row.max()
    return row - numpy.log(numpy.exp(row).sum())


def compare_logits(options, kind, path, findings):
    lists = [
        parity_texts.tokenize(options.kapok, path, text, "--special")
        for text in parity_texts.LOGIT_TEXTS]
    ours = [kapok_logits(options, path, tokens) for tokens in lists]
    with llama_peer.Peer(path, options.threads) as peer:
        theirs = [peer.logits(tokens) for tokens in lists]
    with llama_peer.oracle(path, options.scratch, options.threads) as oracle:
        truth = [oracle.logits(tokens) for tokens in lists]
    ours, theirs, truth = (numpy.concatenate(rows) for rows in (ours, theirs, truth))
    result = {
        "tokens": len(ours), "deviation": float(truth.std()),
        "peer": differences(ours, theirs), "oracle": differences(ours, truth),
        "peerOracle": differences(theirs, truth)}
    check_bounds(f"{kind}: to F32", result["oracle"], truth_bounds(kind), findings)
    check_bounds(f"{kind}: to llama.cpp", result["peer"], PEER.get(kind, QUANTISED), findings)
    if kind != "f32":
        for name in ("rms", "kl"):
            near, far = result["oracle"][name], result["peerOracle"][name]
            findings.within(
                f"{kind}: {name} to the oracle {near:.3g} > {FARTHER} x llama.cpp's {far:.3g}",
                near <= FARTHER * far)
    return result


def truth_bounds(kind):
    return FLOATS if kind in FLOAT_TYPES else QUANTISED


def check_bounds(claim, found, bounds, findings):
    for name in ("max", "rms", "kl", "klMax"):
        findings.within(
            f"{claim}: logits' {name} {found[name]:.3g} > {bounds[name]}",
            found[name] <= bounds[name])
    findings.within(
        f"{claim}: equal first choices {found['top']:.4f} < {bounds['top']}",
        found["top"] >= bounds["top"])


def kapok_logits(options, path, tokens):
    with tempfile.TemporaryDirectory() as folder:
        listing, out = (os.path.join(folder, name) for name in ("tokens", "logits.npy"))
        with open(listing, "w", encoding="ascii") as file:
            file.write(" ".join(map(str, tokens)))
        subprocess.run(
            [options.kapok, "model", "logits", path, "--tokens-file", listing, "--out", out,
             "--threads", str(options.threads)],
            check=True, stdout=subprocess.DEVNULL)
        return numpy.load(out)


def compare_texts(options, kind, path, findings):
    """Greedy texts of all prompts by both, and where each leaves the oracle's."""
    prompts = parity_texts.prompts()[: options.prompts]
    count = options.generate
    with llama_peer.Peer(path, options.threads) as peer:
        spellings = peer.spellings()
        with parity_server.Server(options.kapok, path, options.threads) as server:
            lists = [server.tokens(*prompt) for prompt in prompts]
            ours = server.greedy(lists, count, spellings)
        theirs = [peer.greedy(tokens, count) for tokens in lists]
        ours, theirs = (
            [until_end(peer, tokens) for tokens in texts] for texts in (ours, theirs))
        followed = [
            int((peer.logits(prompt + text[:-1], len(text)).argmax(axis=1) == text).sum())
            for prompt, text in zip(lists, ours)]
    with llama_peer.Peer(path, options.threads, flash=True) as peer:
        flash = [until_end(peer, peer.greedy(tokens, count)) for tokens in lists]
    with llama_peer.oracle(path, options.scratch, options.threads) as oracle:
        judged = [
            judge(oracle, *texts) for texts in zip(lists, ours, theirs, flash)]
    total = len(lists)
    result = {
        "prompts": total, "tokens": sum(map(len, ours)),
        # Given Kapok's text so far, the same next token.
        "nextEqual": sum(followed) / sum(map(len, ours)),
        "equal": sum(a == b for a, b in zip(ours, theirs)) / total,
        "kapokIsOracle": sum(j["leaves"][0] is None for j in judged) / total,
        "peerIsOracle": sum(j["leaves"][1] is None for j in judged) / total,
        "peerIsItself": sum(a == b for a, b in zip(theirs, flash)) / total,
        "differences": [
            {"prompt": prompt[1][:40], **judgement["apart"]}
            for prompt, judgement in zip(prompts, judged) if judgement["apart"]],
    }
    wanted = EQUAL_TEXTS
    if kind not in FLOAT_TYPES:
        wanted = floor(result["peerIsItself"], total)
        findings.within(
            f"{kind}: {result['kapokIsOracle']:.3f} of the texts are F32's, "
            f"{result['peerIsOracle']:.3f} of llama.cpp's",
            result["kapokIsOracle"] >= floor(result["peerIsOracle"], total))
    findings.within(
        f"{kind}: {result['equal']:.3f} of the texts are equal < {wanted:.3f}",
        result["equal"] >= wanted)
    return result


def floor(share, count):
    """What a share that is not smaller may be among `count` by chance."""
    return share - ERRORS * (2 * share * (1 - share) / count) ** 0.5


def until_end(peer, tokens):
    """An answer's tokens up to and with the one that ends it."""
    for index, token in enumerate(tokens):
        if peer.ends(token):
            return tokens[: index + 1]
    return tokens


def judge(oracle, prompt, ours, theirs, flash):
    """Where each text leaves the oracle's greedy one, and by how much the oracle prefers one of the
    two tokens where ours and theirs part. A text is the oracle's when the oracle's first choice at
    each of its tokens is that token, so running a text once is enough."""
    def rows(text):
        return oracle.logits(prompt + text[:-1], len(text))

    def leaves(text, logits):
        wrong = numpy.flatnonzero(logits.argmax(axis=1) != numpy.array(text))
        return int(wrong[0]) if len(wrong) else None

    logits = rows(ours)
    found = {"leaves": [leaves(ours, logits)], "apart": None}
    found["leaves"].append(
        found["leaves"][0] if theirs == ours else leaves(theirs, rows(theirs)))
    if ours != theirs:
        place = next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)
        row = logits[place]
        ranked = numpy.argsort(row)[::-1]
        found["apart"] = {
            "position": place, "kapok": ours[place], "llama": theirs[place],
            # Above 0: the oracle is on Kapok's side.
            "gap": float(row[ours[place]] - row[theirs[place]]),
            "firstTwo": {ours[place], theirs[place]} == set(ranked[:2].tolist())}
    return found


def compare_perplexity(options, kind, path, findings):
    """Both count as llama.cpp's tool does: the second half of each window of --context tokens."""
    text = parity_texts.long_text(options.characters)
    tokens = parity_texts.tokenize(options.kapok, path, text)
    windows = min(len(tokens) // options.context, options.windows)
    with parity_texts.TemporaryText(text) as file:
        output = subprocess.run(
            [options.kapok, "model", "perplexity", path, "--text-file", file, "--context",
             str(options.context), "--windows", str(windows), "--threads", str(options.threads),
             "--json"],
            check=True, stdout=subprocess.PIPE).stdout
    ours = json.loads(output)
    with llama_peer.Peer(path, options.threads, options.context) as peer:
        theirs, count = peer_perplexity(peer, tokens, windows, options.context)
    if count != ours["tokens"]:
        raise ValueError(f"{count} tokens were counted here, {ours['tokens']} by Kapok")
    result = {
        "tokens": count, "kapok": ours["perplexity"], "peer": theirs,
        "ratio": ours["perplexity"] / theirs - 1}
    if options.oracle_perplexity:
        with llama_peer.oracle(
                path, options.scratch, options.threads, options.context) as oracle:
            result["oracle"] = peer_perplexity(oracle, tokens, windows, options.context)[0]
    findings.within(
        f"{kind}: perplexity {result['ratio']:+.3%} beside llama.cpp's",
        abs(result["ratio"]) <= PERPLEXITY)
    return result


def peer_perplexity(peer, tokens, windows, context):
    losses = []
    for window in range(windows):
        part = tokens[window * context : (window + 1) * context]
        half = context - context // 2
        logits = peer.logits(part, half)[:-1].astype(numpy.float64)
        logits -= logits.max(axis=1, keepdims=True)
        wanted = logits[numpy.arange(half - 1), part[context // 2 + 1 :]]
        losses.append(numpy.log(numpy.exp(logits).sum(axis=1)) - wanted)
    losses = numpy.concatenate(losses)
    return float(numpy.exp(losses.mean())), len(losses)


def measure_start(options):
    """The median of --starts starts of the model file as it is, in seconds."""
    found = []
    for _ in range(options.starts):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        found.append(parity_server.seconds_to_first_token(
            options.kapok, options.model, options.threads, port))
    ready, first = (sorted(column) for column in zip(*found))
    return {
        "ready": statistics.median(ready), "firstToken": statistics.median(first),
        "firstTokenRange": [first[0], first[-1]], "bar": START_SECONDS,
        "loadAverage": os.getloadavg()[0]}


def print_logits(rows):
    print("\nLogits: how far from each other, and from F32 without any rounding")
    print(f"{'type':6} {'tokens':>6}  {'of':18} {'max':>7} {'rms':>8} {'KL':>9} {'KL max':>8} "
          f"{'top-1':>7}")
    for row in rows:
        for name, label in (
                ("peer", "Kapok - llama.cpp"), ("oracle", "Kapok - F32"),
                ("peerOracle", "llama.cpp - F32")):
            d = row["logits"][name]
            print(f"{row['type']:6} {row['logits']['tokens']:6}  {label:18} {d['max']:7.3f} "
                  f"{d['rms']:8.5f} {d['kl']:9.2e} {d['klMax']:8.1e} {d['top']:7.2%}")


def print_texts(rows):
    print("\nGreedy texts: share of prompts with equal tokens")
    print(f"{'type':6} {'prompts':>7} {'= llama.cpp':>11} {'Kapok = F32':>11} "
          f"{'llama.cpp = F32':>15} {'llama.cpp = itself*':>19} {'next token**':>12}")
    for row in rows:
        t = row["texts"]
        print(f"{row['type']:6} {t['prompts']:7} {t['equal']:11.1%} {t['kapokIsOracle']:11.1%} "
              f"{t['peerIsOracle']:15.1%} {t['peerIsItself']:19.1%} {t['nextEqual']:12.2%}")
    print("*  with and without its flash attention")
    print("** tokens that both choose after the same text")
    for row in rows:
        apart = row["texts"]["differences"]
        if not apart:
            continue
        gaps = sorted(abs(d["gap"]) for d in apart)
        print(f"{row['type']}: where they part, F32's two logits are {gaps[len(gaps) // 2]:.3f} "
              f"apart in the median, {gaps[-1]:.3f} at most; F32 is on Kapok's side in "
              f"{sum(d['gap'] > 0 for d in apart)} of {len(apart)}, and the two are its first "
              f"choices in {sum(d['firstTwo'] for d in apart)}")
        for d in apart:
            print(f"  {d['prompt']!r:44} token {d['position']:2}: gap {d['gap']:+.4f}")


def print_perplexity(rows):
    print("\nPerplexity")
    print(f"{'type':6} {'tokens':>7} {'kapok':>9} {'llama.cpp':>9} {'apart':>8} {'F32':>9}")
    for row in rows:
        p = row["perplexity"]
        oracle = f"{p['oracle']:9.4f}" if "oracle" in p else f"{'-':>9}"
        print(f"{row['type']:6} {p['tokens']:7} {p['kapok']:9.4f} {p['peer']:9.4f} "
              f"{p['ratio']:+8.3%} {oracle}")


PARTS = {
    "logits": (compare_logits, print_logits), "texts": (compare_texts, print_texts),
    "perplexity": (compare_perplexity, print_perplexity)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    model_files.add_options(parser, "q4_1,q4_0,q8_0,f16,q4_k,f32")
    parser.add_argument("--parts", default="logits,texts,perplexity,start")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--context", type=int, default=512, help="tokens of a window")
    parser.add_argument("--windows", type=int, default=80)
    parser.add_argument("--characters", type=int, default=170_000, help="of the text to predict")
    parser.add_argument("--oracle-perplexity", action="store_true")
    parser.add_argument("--starts", type=int, default=7)
    options = parser.parse_args()
    os.makedirs(options.scratch, exist_ok=True)
    findings = Findings()
    parts = options.parts.split(",")
    rows = [{"type": kind} for kind in options.types.split(",")]
    for name in PARTS:
        if name not in parts:
            continue
        compare, show = PARTS[name]
        for row in rows:
            print(f"{name} of {row['type']}", file=sys.stderr)
            path = model_files.file_of(options, row["type"])
            row[name] = compare(options, row["type"], path, findings)
        if not options.json:
            show(rows)
    start = None
    if "start" in parts:
        start = measure_start(options)
        if not options.json:
            print(f"\nStart to first token of a chat: {start['firstToken']:.3f} s (ready after "
                  f"{start['ready']:.3f} s; {start['firstTokenRange'][0]:.3f}-"
                  f"{start['firstTokenRange'][1]:.3f}; bar {START_SECONDS} s)")
    if options.json:
        print(json.dumps(
            {"types": rows, "start": start, "outside": findings.failures}, indent=1))
    for failure in findings.failures:
        print(f"OUTSIDE: {failure}", file=sys.stderr)
    sys.exit(1 if findings.failures else 0)


main()
