"""Starts, stops and kills `kapok up` for the interop scripts, and counts what they check.

The binary comes from KAPOK_BINARY. With KAPOK_INTEROP_ENDPOINT the scripts talk to a server that
already runs (keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), which is how they were tried
out against other servers.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

FULL = os.environ.get("KAPOK_INTEROP") == "full"
START_SECONDS = 60
STOP_SECONDS = 60


class Checks:
    """Counts what was checked; a script fails when one check did, or when none was made."""

    def __init__(self):
        self.passed = 0
        self.failed = []

    def that(self, claim, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed.append(claim)
            print(f"FAILED: {claim} {detail}", flush=True)

    def equal(self, claim, found, expected):
        self.that(claim, found == expected, f"(found {found!r:.300}, expected {expected!r:.300})")

    def section(self, function, *arguments):
        """Runs `function`; an exception fails its section and the others go on."""
        try:
            function(*arguments)
        except Exception as error:  # whatever a client throws is a finding
            self.failed.append(function.__name__)
            print(f"FAILED: {function.__name__}: {error}", flush=True)
            traceback.print_exc(limit=-3)

    def finish(self):
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Region:
    """A region on this machine with its state in a temporary folder."""

    def __init__(self, *options, data=None):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="kapok-interop-")
        self.data = data or os.path.join(self.folder, "state")
        self.process = None
        self.ports = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_foreign(self):
        return "KAPOK_INTEROP_ENDPOINT" in os.environ

    def command(self, *options):
        self.ports = self.ports or (free_port(), free_port())
        return [
            os.environ["KAPOK_BINARY"], "up", *options, "--data", self.data,
            "--s3", f"127.0.0.1:{self.ports[0]}", "--api", f"127.0.0.1:{self.ports[1]}",
            *self.options,
        ]

    def start(self):
        """Starts the region and returns how many seconds it took until it served."""
        if self.is_foreign:
            self.s3 = os.environ["KAPOK_INTEROP_ENDPOINT"]
            self.access_key = os.environ["AWS_ACCESS_KEY_ID"]
            self.secret_key = os.environ["AWS_SECRET_ACCESS_KEY"]
            return 0.0
        begin = time.monotonic()
        self.process = subprocess.Popen(
            self.command("--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = read_line(self.process, START_SECONDS)
        ready = json.loads(line)
        self.s3 = as_url(ready["s3"])
        self.api = as_url(ready["api"])
        self.access_key = ready["accessKey"]
        self.secret_key = ready["secretKey"]
        return time.monotonic() - begin

    def stop(self):
        """Ends the region as Ctrl-C does and returns its exit code."""
        if self.is_foreign:
            return 0
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=STOP_SECONDS)

    def kill(self):
        """Ends the region at once, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def environment(self):
        """The environment of a client program: our keys, and nobody's configuration."""
        inherited = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("AWS_", "RCLONE_")) and "proxy" not in name.lower()
        }
        return {
            **inherited,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": self.folder,
        }

    def client(self, **config):
        """A boto3 client with one attempt for each request, so that no error hides."""
        import boto3
        import botocore.config

        settings = {
            "retries": {"total_max_attempts": 1},
            "connect_timeout": 10,
            "read_timeout": 60,
            "s3": {"addressing_style": "path"},
            **config,
        }
        return boto3.client(
            "s3", endpoint_url=self.s3, region_name="us-east-1",
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            config=botocore.config.Config(**settings))

    def drive_files(self, count):
        """The drives' files, in the order of their names: the largest files of one size."""
        by_size = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                by_size.setdefault(os.path.getsize(path), []).append(path)
        for size in sorted(by_size, reverse=True):
            if len(by_size[size]) == count:
                return sorted(by_size[size])
        raise LookupError(f"no {count} files of one size under {self.data}")


def as_url(text):
    return text.rstrip("/") if "://" in text else f"http://{text}"


def read_line(process, seconds):
    """The next line that `process` prints, within `seconds`."""
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            process.kill()
            raise TimeoutError(f"nothing printed within {seconds} s, only {line!r}")
        piece = os.read(process.stdout.fileno(), 1)
        if not piece:
            raise EOFError(f"exited with {process.wait()} after printing {line!r}")
        line += piece
    return line.decode()


def run(command, **options):
    """Runs a client program to its end, within ten minutes; returns it with its output."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=options.pop("timeout", 600), **options)


def make_tree(folder, count):
    """Fills `folder` with `count` real files: the system's documentation, and when that is too
    little, numbered copies of its files."""
    os.makedirs(folder)
    made = 0
    found = []
    for parent, folders, names in os.walk("/usr/share/doc"):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found.append(path)
    turn = 0
    while made < count:
        for path in found:
            if made == count:
                break
            relative = os.path.relpath(path, "/usr/share/doc")
            target = os.path.join(folder, f"copy-{turn}" if turn else ".", relative)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
            made += 1
        if not found:
            target = os.path.join(folder, f"d{made % 17}", f"f{made}.txt")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(os.urandom(made * 37 % 20_000))
            made += 1
        turn += 1
    return made
