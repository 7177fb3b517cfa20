"""`kill -9` at random moments of a mixed load: every acknowledged object reads back right, every
acknowledged deletion stays, and no half object is visible.

The writers are raw sockets in threads of this process, so that an acknowledgement is recorded the
moment its last byte has come. Each key has one writer: its content is known at every moment to be
one of two versions, the last acknowledged one or the one under way when the region died.
"""

import hashlib
import http.client
import os
import random
import threading
import time
import urllib.parse

import botocore.awsrequest
from botocore.auth import S3SigV4Auth
from botocore.credentials import Credentials

from region import FULL, Checks, Region

ROUNDS = int(os.environ.get("KAPOK_KILLS", 50 if FULL else 3))
WRITERS = 6
KEYS_OF_EACH = 12
BUCKET = "crash"
SIZES = (0, 1, 700, 4096, 4097, 65_536, 300_000, 1 << 20, 3 << 20)
PART = 5 << 20


class UnsignedAuth(S3SigV4Auth):
    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


def content(key, version, size):
    """Bytes that tell which version they are, and that are nowhere the same twice."""
    seed = hashlib.sha256(f"{key} {version}".encode()).digest()
    return random.Random(seed).randbytes(size)


class Writer(threading.Thread):
    """Puts, overwrites, deletes and uploads in parts, until the region is gone."""

    def __init__(self, region, number, history, seed):
        super().__init__(daemon=True)
        self.region = region
        self.number = number
        self.history = history  # key -> (acknowledged, under way); each (version, size) or None
        self.random = random.Random(seed)
        self.acknowledged = 0
        self.refused = []
        self.credentials = Credentials(region.access_key, region.secret_key)
        self.host = urllib.parse.urlsplit(region.s3)
        self.connection = http.client.HTTPConnection(self.host.hostname, self.host.port, timeout=60)

    def send(self, method, path, body=b""):
        request = botocore.awsrequest.AWSRequest(method=method, url=self.region.s3 + path)
        UnsignedAuth(self.credentials, "s3", "us-east-1").add_auth(request)
        self.connection.request(method, path, body, dict(request.headers))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            self.refused.append(f"{method} {path}: {answer.status} {text[:200]}")
        return answer.status, answer.getheader("ETag"), text.decode()

    def run(self):
        try:
            while True:
                self.step()
        except (OSError, http.client.HTTPException):
            pass  # the region is gone

    def step(self):
        key = f"w{self.number}-{self.random.randrange(KEYS_OF_EACH)}"
        acknowledged, _ = self.history.get(key, (None, None))
        kind = self.random.random()
        if kind < 0.15 and acknowledged is not None:
            self.history[key] = (acknowledged, None)
            if self.send("DELETE", f"/{BUCKET}/{key}")[0] != 204:
                return
            self.history[key] = (None, None)
        else:
            size = self.random.choice(SIZES)
            version = (self.random.getrandbits(48), size if kind < 0.95 else PART + 12_345)
            self.history[key] = (acknowledged, version)
            if not self.write(key, version, in_parts=kind >= 0.95):
                self.history[key] = (acknowledged, acknowledged)
                return
            self.history[key] = (version, version)
        self.acknowledged += 1

    def write(self, key, version, in_parts):
        body = content(key, *version)
        path = f"/{BUCKET}/{key}"
        if not in_parts:
            return self.send("PUT", path, body)[0] == 200
        status, _, text = self.send("POST", f"{path}?uploads=")
        if status != 200:
            return False
        upload = text.split("<UploadId>")[1].split("</UploadId>")[0]
        listed = ""
        for number, part in ((1, body[:PART]), (2, body[PART:])):
            status, etag, _ = self.send(
                "PUT", f"{path}?partNumber={number}&uploadId={upload}", part)
            if status != 200:
                return False
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        xml = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        status, _, text = self.send("POST", f"{path}?uploadId={upload}", xml)
        return status == 200 and "<Error>" not in text


def verify(checks, region, history, moment):
    """Every key holds its last acknowledged version, or the one that was under way."""
    s3 = region.client()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = {e["Key"]: e["Size"] for page in pages for e in page.get("Contents", [])}
    wrong = [f"{key} was never written" for key in listed if key not in history]
    for key, allowed in history.items():
        try:
            found = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            found = None
        fits = [v for v in allowed if (None if v is None else content(key, *v)) == found]
        if not fits:
            wrong.append(f"{key}: {'missing' if found is None else len(found)}, not {allowed}")
            continue
        if listed.get(key) != (None if found is None else len(found)):
            wrong.append(f"{key}: listed with {listed.get(key)} bytes")
        history[key] = (fits[0], fits[0])
    checks.that(f"{moment}: all {len(history)} keys are right", not wrong, "\n  ".join(wrong[:9]))


def main():
    checks = Checks()
    seed = int(os.environ.get("KAPOK_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed} (KAPOK_SEED={seed} repeats the requests, not the moments)", flush=True)
    moments = random.Random(seed)
    history = {}
    acknowledged = 0
    slowest = 0.0
    with Region() as region:
        region.client().create_bucket(Bucket=BUCKET)
        for number in range(ROUNDS):
            writers = [
                Writer(region, w, history, seed + number * WRITERS + w) for w in range(WRITERS)]
            for writer in writers:
                writer.start()
            threading.Event().wait(moments.uniform(0.05, 3.0))
            if region.is_foreign:
                break
            region.kill()
            for writer in writers:
                writer.join(timeout=90)
                checks.that("a writer ends with the region", not writer.is_alive())
            refused = [text for writer in writers for text in writer.refused]
            checks.that(f"kill {number + 1}: nothing was refused", not refused, str(refused[:3]))
            acknowledged += sum(writer.acknowledged for writer in writers)
            slowest = max(slowest, region.start())
            verify(checks, region, history, f"kill {number + 1}")
        checks.that("something was acknowledged", acknowledged > ROUNDS)
        checks.equal("a clean stop", region.stop(), 0)
        region.start()
        verify(checks, region, history, "after a clean stop")
        region.stop()
    print(f"{acknowledged} acknowledged changes, {ROUNDS} kills, slowest start {slowest:.2f} s")
    checks.finish()


main()
