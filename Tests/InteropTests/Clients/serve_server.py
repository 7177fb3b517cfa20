"""Starts, stops and kills `kapok serve` for the interop scripts.

The binary comes from KAPOK_BINARY, the model from KAPOK_MODEL.
"""

import json
import os
import signal
import subprocess
import time
import urllib.request

from region import read_line

START_SECONDS = 120
STOP_SECONDS = 60


class Server:
    """A model server on this machine, on a free port."""

    def __init__(self, *options):
        self.options = options
        self.process = None

    def __enter__(self):
        command = [
            os.environ["KAPOK_BINARY"], "serve", "--model", os.environ["KAPOK_MODEL"],
            "--port", "0", "--json", *self.options,
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        ready = json.loads(read_line(self.process, START_SECONDS))
        self.url = ready["url"]
        self.model = ready["model"]
        self.context = ready["contextTokens"]
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Ends the server as a service manager does and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_SECONDS)

    def text(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name):
        """The sum of a metric's samples; None when there is none."""
        found = None
        for line in self.text("/metrics").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            series, value = line.rsplit(" ", 1)
            if series.split("{")[0] == name:
                found = (found or 0) + float(value)
        return found

    def settles(self, claim, seconds=10):
        """Whether `claim()` becomes true within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if claim():
                return True
            time.sleep(0.02)
        return False

    def is_idle(self, seconds=10):
        return self.settles(
            lambda: self.metric("kapok_http_requests_in_flight") == 0, seconds)
