"""Prefill and decode in processes of their own: same texts, and nothing lost when either dies."""

import concurrent.futures
import os
import random
import secrets
import threading
import time

import openai

from region import FULL, Checks, free_port
from serve_server import Server

KEY = secrets.token_hex(16)
THREADS = ("--threads", "1", "--kv-memory", "256MiB")
WORDS = (
    "river mountain lantern copper window garden thunder velvet compass harbour meadow silver "
    "captain orchard whistle marble ribbon candle saddle winter"
).split()
check = Checks()


def prompt(number, words=150):
    """A prompt of its own for each number, long enough to be prefilled elsewhere."""
    chooser = random.Random(number)
    listing = " ".join(chooser.choice(WORDS) for _ in range(words))
    return f"{number}. Here is a list of words: {listing}. Continue the list."


def complete(server, number, words=150, **options):
    client = openai.OpenAI(
        base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=120)
    options = {"max_tokens": 16, "temperature": 0, **options}
    answer = client.completions.create(
        model="default", prompt=prompt(number, words), **options)
    return answer.choices[0].text


def prefill_role(port, key=KEY):
    return Server(
        "--role", "prefill", "--transfer-listen", f"127.0.0.1:{port}", "--transfer-key", key,
        *THREADS)


def decode_role(*ports, key=KEY):
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return Server("--role", "decode", "--prefill", hosts, "--transfer-key", key, *THREADS)


def series(server, start):
    """The sum of the series that begin with `start`."""
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in server.text("/metrics").splitlines()
        if line.startswith(start))


def connects(decode, hosts):
    return decode.settles(lambda: series(decode, "kapok_kv_pull_host_ready") == hosts, 20)


def is_clean(server, role):
    """Whether nothing is held for anybody: pages are free or kept for their contents alone."""
    held = 'kapok_kv_pages{state="held"}'
    own = ("kapok_kv_leases", "kapok_kv_lease_pages", "kapok_prefills_held") \
        if role == "prefill" else ("kapok_kv_pulls", "kapok_pulls")
    names = (held, *(name + " " for name in own))
    found = {}

    def settled():
        found.update((name, series(server, name)) for name in names)
        return not any(found.values())

    settled = server.settles(settled, 30)
    check.that(f"nothing is held by the {role} role", settled, found)


def same_texts(expected):
    port = free_port()
    with prefill_role(port) as prefill, decode_role(port) as decode:
        check.that("the decode role is connected", connects(decode, 1))
        texts = {number: complete(decode, number) for number in list(expected)[:4]}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            texts.update(zip(expected, pool.map(lambda n: complete(decode, n), expected)))
        for number, text in texts.items():
            check.equal(f"text {number} is the plain server's", text, expected[number])
        pulled = series(decode, "kapok_kv_pull_tokens_total")
        check.that("the prompts were pulled", pulled > 150 * len(expected), pulled)
        complete_pulls = series(decode, 'kapok_kv_pulls_total{end="complete"}')
        check.equal("all pulls were complete", complete_pulls, len(expected))
        check.equal("no page was corrupt", series(decode, "kapok_kv_pull_corrupt_pages_total"), 0)
        check.equal(
            "as much was sent as taken", series(prefill, "kapok_kv_lease_pages_sent_total"),
            series(decode, "kapok_kv_pull_pages_total"))
        check.equal(
            "it says that nobody is attested", series(decode, "kapok_kv_transfer_attested"), 0)
        short = complete(decode, 1, words=3)
        check.that("a short prompt is computed here", short is not None)
        check.equal(
            "and not pulled", series(decode, 'kapok_kv_pulls_total{end="complete"}'),
            complete_pulls)
        is_clean(decode, "decode")
        is_clean(prefill, "prefill")
        check.equal("the prefill role ends in order", prefill.stop(), 0)
        check.equal("the decode role ends in order", decode.stop(), 0)


def wrong_key(expected):
    port = free_port()
    with prefill_role(port) as prefill, decode_role(port, key="x" * 32) as decode:
        number = next(iter(expected))
        check.equal("without the right key it computes itself", complete(decode, number),
                    expected[number])
        check.equal("nothing was pulled", series(decode, "kapok_kv_pull_tokens_total"), 0)
        check.that("the refusal is counted", decode.settles(
            lambda: series(decode, "kapok_kv_pull_refusals_total") > 0))
        check.equal("nothing was served", series(prefill, "kapok_kv_lease_pages_sent_total"), 0)


def prefill_dies(expected, rounds):
    """`kill -9` of the prefill role at random moments: every request has its text all the same."""
    chooser = random.Random(11)
    port = free_port()
    with decode_role(port) as decode:
        for number in range(rounds):
            with prefill_role(port) as prefill:
                check.that(f"round {number}: the prefill role is used", connects(decode, 1))
                before = series(decode, "kapok_kv_pull_tokens_total")
                # Pages kept from earlier rounds would leave nothing to pull.
                wanted = [n + 1000 * (number + 1) for n in range(6)]
                with concurrent.futures.ThreadPoolExecutor(6) as pool:
                    first = complete(decode, wanted[0] + 500, max_tokens=1)
                    check.that("one request before it dies", first is not None)
                    pulled = series(decode, "kapok_kv_pull_tokens_total")
                    check.that("it was pulled", pulled > before, pulled - before)
                    answers = [pool.submit(complete, decode, n) for n in wanted]
                    time.sleep(chooser.uniform(0, 0.6))
                    prefill.process.kill()
                    prefill.process.wait()
                    texts = [answer.result() for answer in answers]
            again = [complete(decode, n) for n in wanted]
            check.equal(f"round {number}: the texts are whole", texts, again)
        is_clean(decode, "decode")
        number = next(iter(expected))
        check.equal("alone it goes on", complete(decode, number), expected[number])


def decode_dies(expected, rounds):
    """`kill -9` of the decode role: clients see an error, and the prefill role holds nothing."""
    chooser = random.Random(12)
    port = free_port()
    with prefill_role(port) as prefill:
        for number in range(rounds):
            with decode_role(port) as decode:
                check.that(f"round {number}: connected", connects(decode, 1))
                errors = []

                def ask(n):
                    try:
                        return complete(decode, n, words=600)
                    except openai.APIError as error:
                        errors.append(error)

                askers = [
                    threading.Thread(target=ask, args=(2000 + 10 * number + n,))
                    for n in range(4)]
                for asker in askers:
                    asker.start()
                time.sleep(chooser.uniform(0.05, 0.8))
                decode.process.kill()
                decode.process.wait()
                for asker in askers:
                    asker.join(60)
                check.that("no client waits for ever", not any(a.is_alive() for a in askers))
            is_clean(prefill, "prefill")
        with decode_role(port) as decode:
            check.that("a new decode role is served", connects(decode, 1))
            wanted = next(iter(expected))
            check.equal("with the same text", complete(decode, wanted), expected[wanted])
            check.that("by the old prefill role", series(decode, "kapok_kv_pull_tokens_total") > 0)


def two_hosts(expected):
    """Two prefill roles share the work; when one dies the other one does all of it."""
    ports = (free_port(), free_port())
    with prefill_role(ports[0]) as first, prefill_role(ports[1]) as second:
        with decode_role(*ports) as decode:
            check.that("both are connected", connects(decode, 2))
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                texts = list(pool.map(lambda n: complete(decode, n), expected))
            check.equal("the texts are the plain server's", texts, list(expected.values()))
            for name, host in (("first", first), ("second", second)):
                sent = series(host, "kapok_kv_lease_pages_sent_total")
                check.that(f"the {name} one took part", sent > 0)
            sent = series(second, "kapok_kv_lease_pages_sent_total")
            first.process.kill()
            first.process.wait()
            for number in range(3):
                complete(decode, 3000 + number)
            more = series(second, "kapok_kv_lease_pages_sent_total")
            check.that("the other one goes on", more > sent, more)
            is_clean(decode, "decode")


def clients_vanish(rounds):
    """A client that goes away during its prompt's transfer leaves nothing behind on either side."""
    port = free_port()
    with prefill_role(port) as prefill, decode_role(port) as decode:
        check.that("connected", connects(decode, 1))
        for number in range(rounds):
            client = openai.OpenAI(
                base_url=decode.url + "/v1", api_key="none", max_retries=0, timeout=0.1)
            try:
                client.completions.create(
                    model="default", prompt=prompt(5000 + number, 900), max_tokens=400)
                check.that("a client that waits a tenth of a second has no answer", False)
            except openai.APITimeoutError:
                check.that("it went away", True)
        is_clean(decode, "decode")
        is_clean(prefill, "prefill")


def main():
    count = 24 if FULL else 8
    rounds = 12 if FULL else 3
    with Server(*THREADS) as plain:
        expected = {number: complete(plain, number) for number in range(count)}
    check.section(same_texts, expected)
    check.section(wrong_key, expected)
    check.section(prefill_dies, expected, rounds)
    check.section(decode_dies, expected, rounds)
    check.section(two_hosts, expected)
    check.section(clients_vanish, rounds * 2)
    check.finish()


main()
