"""The same bits whatever happens around a request: threads, company, cache, chunks, roles, drafts.

Choices are compared as the server wrote them, text and log probabilities to the last digit, with
those of a server with two threads that was asked one thing at a time, without cache and drafts.
"""

import concurrent.futures
import json
import os
import random
import secrets
import subprocess
import tempfile
import time
import urllib.request

from region import FULL, Checks, free_port
from serve_server import Server

check = Checks()
WORDS = (
    "river mountain lantern copper window garden thunder velvet compass harbour meadow silver "
    "captain orchard whistle marble ribbon candle saddle winter"
).split()
# What prompt look-up finds drafts in.
REPETITIVE = "The cat sat on the mat. The dog sat on the log. " * 6 + "The cat sat"
CODE = "def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return a - b\n\ndef mul(a, b):\n"
MIXED = "Der Fluss ist breit. 河很宽。 Река широка. The river is"


def listing(number, words):
    chooser = random.Random(number)
    return "A list: " + " ".join(chooser.choice(WORDS) for _ in range(words)) + "."


def requests():
    """Bodies by name: short and long prompts, common beginnings, greedy and seeded sampling."""
    shared = listing(1, 220)  # several pages that two prompts have in common
    count = 40 if FULL else 16
    bodies = {
        "repetitive": {"prompt": REPETITIVE},
        "repetitive, sampled": {"prompt": REPETITIVE, "temperature": 0.7, "seed": 5},
        "code": {"prompt": CODE},
        "code, sampled": {"prompt": CODE, "temperature": 1, "seed": 6, "top_p": 0.9},
        "languages": {"prompt": MIXED, "temperature": 1.2, "seed": 7, "top_k": 40},
        "long": {"prompt": shared + " The first word is"},
        "long, another end": {"prompt": shared + " Repeat the list: A list:"},
        "long, sampled": {
            "prompt": shared + " Continue:", "temperature": 0.8, "seed": 8, "min_p": 0.05},
        "one token": {"prompt": "Hi", "temperature": 1, "seed": 9},
        "penalties": {
            "prompt": "One, two, one, two,", "frequency_penalty": 0.7, "presence_penalty": 0.3,
            "temperature": 0.9, "seed": 10},
    }
    if FULL:
        for number in range(20):
            bodies[f"list {number}"] = {
                "prompt": listing(100 + number, 10 + 17 * number),
                "temperature": number % 3 / 2, "seed": number}
    return {
        name: {"temperature": 0, "max_tokens": count, "logprobs": 5, "ignore_eos": True, **body}
        for name, body in bodies.items()}


BODIES = requests()


def post(server, path, body):
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


def choice(server, name, used=None, **options):
    """A request's choice as the server wrote it; `used` gets what the server says it used."""
    answer = post(server, "/v1/completions", {**BODIES[name], **options})
    if used is not None:
        used[name] = answer["usage"]
    return json.dumps(answer["choices"], sort_keys=True)


def alone(server, used=None, **options):
    return {name: choice(server, name, used, **options) for name in BODIES}


def together(server, seed, used=None, **options):
    """All at a time, in another order and at other moments for each `seed`, with strangers."""
    chooser = random.Random(seed)
    order = list(BODIES) + [None] * 6
    chooser.shuffle(order)

    def ask(name):
        time.sleep(chooser.uniform(0, 0.15))
        if name is not None:
            return choice(server, name, used, **options)
        return post(server, "/v1/completions", {
            "prompt": listing(chooser.random(), chooser.randrange(1, 200)),
            "max_tokens": chooser.randrange(1, 30), "temperature": 1})

    with concurrent.futures.ThreadPoolExecutor(len(order)) as pool:
        answers = list(pool.map(ask, order))
    return {name: answer for name, answer in zip(order, answers) if name is not None}


def same(claim, found, expected):
    for name, text in expected.items():
        check.that(f"{claim}: {name}", found[name] == text, difference(found[name], text))


def difference(found, expected):
    place = next(
        (i for i, (a, b) in enumerate(zip(found, expected)) if a != b),
        min(len(found), len(expected)))
    start = max(place - 60, 0)
    return f"(found ...{found[start:place + 60]!r}, expected ...{expected[start:place + 60]!r})"


def detail(used, kind, name):
    return sum(usage[f"{kind}_tokens_details"][name] for usage in used.values())


class Logged:
    """A server with a step log, which says what was computed together."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="kapok-interop-")
        self.path = os.path.join(self.folder.name, "steps")
        self.server = Server(*options, "--step-log", self.path)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)
        self.folder.cleanup()

    def steps(self):
        with open(self.path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.readlines()[1:]]


def expectations(server):
    """What all others must give; and that it could be otherwise."""
    used = {}
    expected = alone(server, used, cache_prompt=False, speculate=False)
    check.equal("nothing came from the cache", detail(used, "prompt", "cached_tokens"), 0)
    check.equal(
        "nothing was drafted",
        detail(used, "completion", "accepted_prediction_tokens")
        + detail(used, "completion", "rejected_prediction_tokens"), 0)
    check.equal("all differ from each other", len(set(expected.values())), len(expected))
    for name in ("repetitive, sampled", "code, sampled", "languages"):
        check.that(
            f"another seed gives another text: {name}",
            choice(server, name, seed=1234) != expected[name])
    # One more token before it: the same text may come, the same digits must not.
    for name in ("code", "long"):
        check.that(
            f"another prompt gives other digits: {name}",
            choice(server, name, prompt="\n" + BODIES[name]["prompt"]) != expected[name])
    return expected


def one_server(expected, logged):
    server = logged.server
    used = {}
    alone(server, speculate=False)
    same("from the cache", alone(server, used, speculate=False), expected)
    check.that(
        "prompts came from the cache", detail(used, "prompt", "cached_tokens") > 3 * 220, used)
    for seed in range(6 if FULL else 2):
        same("in company", together(server, seed, cache_prompt=seed % 2 == 0), expected)
    most = max(step["decodeSequences"] for step in logged.steps())
    check.that("sequences were decoded together", most >= 4, most)
    several = post(server, "/v1/completions", {
        **BODIES["code"], "prompt": [BODIES[n]["prompt"] for n in ("code", "repetitive")]})
    for index, name in enumerate(("code", "repetitive")):
        part = [{**several["choices"][index], "index": 0}]
        check.equal(
            f"prompts in one request: {name}", json.dumps(part, sort_keys=True), expected[name])


def drafted(expected, server, label):
    """Speculation: greedy and sampled, in company and alone."""
    used = {}
    same(label, together(server, 21, used, speculate=True), expected)
    accepted = detail(used, "completion", "accepted_prediction_tokens")
    rejected = detail(used, "completion", "rejected_prediction_tokens")
    check.that(f"{label}: drafts were accepted and rejected", accepted and rejected,
               (accepted, rejected))
    sampled = used["repetitive, sampled"]["completion_tokens_details"]
    check.that(f"{label}: also with sampling", sum(
        sampled[f"{end}_prediction_tokens"] for end in ("accepted", "rejected")), sampled)
    if FULL:
        same(f"{label}, alone", alone(server, speculate=True, cache_prompt=False), expected)


def optimized(expected, server):
    """The latency-optimised mode, which speculates, beside standard requests."""
    def mode(name):
        return {"latency": "optimized"} if len(name) % 2 else {}

    with concurrent.futures.ThreadPoolExecutor(len(BODIES)) as pool:
        answers = list(pool.map(
            lambda name: choice(server, name, cache_prompt=False, **mode(name)), BODIES))
    same("latency optimised and not", dict(zip(BODIES, answers)), expected)
    series = 'kapok_request_seconds_count{mode="optimized"} '
    served = [
        int(line.removeprefix(series)) for line in server.text("/metrics").splitlines()
        if line.startswith(series)]
    check.that("some were served latency optimised", served and served[0] > 0, served)


def chunks_and_threads(expected):
    for threads, chunk in ((1, 16), (2, 48)) if not FULL else (
            (1, 16), (1, 512), (2, 16), (2, 48), (2, 101)):
        label = f"{threads} threads, chunks of {chunk}"
        with Logged("--threads", str(threads), "--prefill-tokens", str(chunk)) as logged:
            if FULL or threads == 1:
                same(label, alone(logged.server, cache_prompt=False), expected)
            same(f"{label}, in company", together(logged.server, 31), expected)
            # With nobody decoding beside it a prompt is not cut.
            cut = [step["prefillTokens"] for step in logged.steps() if step["decodeSequences"]]
            check.that(f"{label}: prompts were cut", 0 < max(cut) <= chunk, max(cut))


def preempted(expected):
    """Memory for two long sequences: some are thrown out, and computed again later."""
    with Server("--threads", "2", "--context", "512", "--kv-memory", "14MiB") as server:
        # The same ones again, with more to say, so that the pages run out while they decode.
        longer = [
            lambda: post(server, "/v1/completions", {
                **BODIES["long"], "max_tokens": 120, "cache_prompt": False}) for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            waiting = [pool.submit(ask) for ask in longer]
            found = together(server, 61)
            texts = {json.dumps(ask.result()["choices"], sort_keys=True) for ask in waiting}
        same("thrown out and computed again", found, expected)
        check.equal("long ones alike", len(texts), 1)
        count = server.metric("kapok_preemptions_total")
        check.that("sequences were thrown out", count > 0, count)


def split(expected):
    with Logged("--threads", "2", "--split") as logged:
        same("split, in company", together(logged.server, 41), expected)
        same("split, drafted", together(logged.server, 42, speculate=True), expected)
        executors = {step["executor"] for step in logged.steps()}
        check.equal("both executors worked", executors, {"prefill", "decode"})


def roles(expected):
    """Prefill and decode in two processes."""
    port, key = free_port(), secrets.token_hex(16)
    shared = ("--transfer-key", key, "--threads", "1", "--kv-memory", "256MiB")
    with Server("--role", "prefill", "--transfer-listen", f"127.0.0.1:{port}", *shared):
        with Server("--role", "decode", "--prefill", f"127.0.0.1:{port}", *shared) as decode:
            check.that("the roles are connected", decode.settles(
                lambda: decode.metric("kapok_kv_pull_host_ready") == 1, 20))
            same("roles", together(decode, 51), expected)
            same("roles, drafted", alone(decode, speculate=True, cache_prompt=False), expected)
            pulled = decode.metric("kapok_kv_pull_tokens_total")
            check.that("prompts were pulled", pulled > 220, pulled)


def draft_model(expected):
    """A draft model; this one proposes what the model itself would say, which sampling rejects."""
    with Server("--threads", "2", "--draft-model", os.environ["KAPOK_MODEL"]) as server:
        drafted(expected, server, "a draft model")


def embeddings(servers):
    texts = [listing(n, 3 + 40 * n) for n in range(5)]
    body = {"input": texts, "encoding_format": "base64"}
    found = [
        [e["embedding"] for e in post(server, "/v1/embeddings", body)["data"]]
        for server in servers]
    single = [
        post(servers[0], "/v1/embeddings", {**body, "input": text})["data"][0]["embedding"]
        for text in texts]
    check.equal("embeddings alone and together", found[0], single)
    check.equal("embeddings with 1 and 2 threads", found[1], single)
    check.equal("embeddings differ", len(set(single)), len(single))


def logits():
    """`kapok model logits`, whatever the threads and however many tokens at once."""
    chooser = random.Random(3)
    tokens = " ".join(str(chooser.randrange(100, 40000)) for _ in range(150))
    with tempfile.TemporaryDirectory(prefix="kapok-interop-") as folder:
        def run(threads, batch, listing=tokens):
            source, out = os.path.join(folder, "tokens"), os.path.join(folder, "out.npy")
            with open(source, "w", encoding="ascii") as file:
                file.write(listing)
            subprocess.run(
                [os.environ["KAPOK_BINARY"], "model", "logits", os.environ["KAPOK_MODEL"],
                 "--tokens-file", source, "--out", out, "--threads", str(threads), "--batch",
                 str(batch)], check=True, stdout=subprocess.DEVNULL)
            with open(out, "rb") as file:
                return file.read()

        whole = run(2, 512)
        for threads, batch in ((1, 512), (2, 1), (1, 7), (2, 64)):
            check.that(f"logits, {threads} threads, {batch} at once", run(threads, batch) == whole)
        other = run(2, 512, tokens + " 7")
        row = len(other) - len(whole)
        check.that("a token later changes nothing before it", other[128:-row] == whole[128:])
        # The last token alone is another.
        changed = run(2, 512, tokens.rsplit(" ", 1)[0] + " 7")
        check.that("the last token's logits depend on it", changed[-row:] != whole[-row:])
        check.that("and only they", changed[:-row] == whole[:-row])


def main():
    began = time.monotonic()
    with Logged("--threads", "2") as logged, Server("--threads", "1") as single:
        expected = expectations(logged.server)
        check.section(one_server, expected, logged)
        check.section(drafted, expected, logged.server, "look-up")
        check.section(optimized, expected, logged.server)
        check.section(
            lambda: same("1 thread, in company", together(single, 11), expected))
        check.section(embeddings, (logged.server, single))
    check.section(chunks_and_threads, expected)
    check.section(preempted, expected)
    check.section(split, expected)
    check.section(roles, expected)
    check.section(draft_model, expected)
    check.section(logits)
    print(f"{time.monotonic() - began:.1f} s", flush=True)
    check.finish()


main()
