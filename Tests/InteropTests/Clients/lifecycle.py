"""Starting and stopping: what `kapok up` prints, Ctrl-C, a second start on the same state, keys,
the api port, a full disk."""

import json
import os
import re
import select
import signal
import subprocess
import time
import urllib.request

from botocore.exceptions import ClientError

from region import START_SECONDS, STOP_SECONDS, Checks, Region, run

checks = Checks()


def says_what_a_person_needs(region):
    process = subprocess.Popen(
        region.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    text = b""
    try:
        deadline = time.monotonic() + START_SECONDS
        while b"s3 sync" not in text and time.monotonic() < deadline:
            if select.select([process.stdout], [], [], 1)[0]:
                piece = os.read(process.stdout.fileno(), 4096)
                if not piece:
                    break
                text += piece
        process.send_signal(signal.SIGINT)
        text += process.communicate(timeout=STOP_SECONDS)[0] or b""
    finally:
        process.kill()
        process.wait()
    text = text.decode()
    for what, pattern in {
        "the endpoint": rf"http://127\.0\.0\.1:{region.ports[0]}",
        "the access key": r"(?i)access key\W+\w{8,}",
        "the secret key": r"(?i)secret key\W+\S{16,}",
        "the state directory": re.escape(region.data),
        "the number of drives": r"\b6 drives\b",
        "the coding": r"\b4\s?\+\s?2\b",
        "how to try it": r"aws --endpoint-url \S+ s3 sync",
    }.items():
        checks.that(f"it prints {what}", re.search(pattern, text), text[:2000])
    checks.equal("Ctrl-C ends it with 0", process.returncode, 0)


def refuses_a_second_start(region):
    region.start()
    second = run(
        [os.environ["KAPOK_BINARY"], "up", "--data", region.data, "--s3", "127.0.0.1:0",
         "--api", "127.0.0.1:0"], timeout=START_SECONDS)
    checks.that("a second start fails", second.returncode != 0, second.stdout)
    said = second.stdout.lower()
    checks.that("and says why", region.data in second.stdout
                and ("in use" in said or "running" in said), second.stdout)
    region.client().list_buckets()
    checks.that("the first one goes on", True)


def keeps_its_keys(region):
    keys = (region.access_key, region.secret_key)
    s3 = region.client()
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=b"kept")
    checks.equal("SIGINT ends it with 0", region.stop(), 0)
    region.start()
    checks.equal("the keys stay", (region.access_key, region.secret_key), keys)
    found = region.client().get_object(Bucket="kept", Key="k")["Body"].read()
    checks.equal("the objects stay", found, b"kept")
    readable = [
        path for folder, _, names in os.walk(region.data) for name in names
        for path in [os.path.join(folder, name)]
        if os.path.getsize(path) < 65_536 and region.secret_key.encode() in open(path, "rb").read()]
    modes = {oct(os.stat(path).st_mode & 0o777) for path in readable}
    checks.equal("whoever holds the secret key is 0600", modes, {"0o600"})


def serves_the_api(region):
    for path, needle in (("/healthz", ""), ("/metrics", "# TYPE")):
        with urllib.request.urlopen(region.api + path, timeout=30) as answer:
            text = answer.read().decode()
            checks.that(f"GET {path}", answer.status == 200 and needle in text, text[:300])
    for command in (("store", "status"), ("store", "drives")):
        result = run([os.environ["KAPOK_BINARY"], *command, "--json", "--data", region.data])
        good = result.returncode == 0
        if good:
            json.loads(result.stdout)
        checks.that(f"kapok {' '.join(command)} --json", good, result.stdout[:500])


def refuses_when_full():
    with Region("--drive-size", "64MiB") as region:
        s3 = region.client()
        s3.create_bucket(Bucket="full")
        body = os.urandom(1 << 20)
        stored = []
        refused = None
        for number in range(1000):
            try:
                s3.put_object(Bucket="full", Key=f"{number}", Body=body)
                stored.append(number)
            except ClientError as error:
                meta = error.response["ResponseMetadata"]
                refused = (error.response["Error"]["Code"], meta["HTTPStatusCode"])
                break
        checks.that("a full region refuses with an S3 error", refused is not None
                    and refused[1] in (503, 507), f"{refused} after {len(stored)} MiB")
        checks.that("most of the drives was used", len(stored) >= 100, str(len(stored)))
        wrong = [
            number for number in stored
            if s3.get_object(Bucket="full", Key=f"{number}")["Body"].read() != body]
        checks.equal("reads go on", wrong, [])
        try:
            s3.head_object(Bucket="full", Key=f"{len(stored)}")
            checks.that("what was refused is not there", False)
        except ClientError as error:
            checks.equal("what was refused is not there", error.response["Error"]["Code"], "404")
        for number in stored:
            s3.delete_object(Bucket="full", Key=f"{number}")
        written = False
        for attempt in range(100):  # reclaiming takes its time
            try:
                s3.put_object(Bucket="full", Key="again", Body=body)
                written = True
                break
            except ClientError:
                time.sleep(0.2)
        checks.that("deleting makes room", written)
        checks.equal("a clean stop", region.stop(), 0)


def main():
    region = Region()
    try:
        for section in (
            says_what_a_person_needs, refuses_a_second_start, keeps_its_keys, serves_the_api,
        ):
            checks.section(section, region)
    finally:
        region.__exit__(None, None, None)
    checks.section(refuses_when_full)
    checks.finish()


main()
