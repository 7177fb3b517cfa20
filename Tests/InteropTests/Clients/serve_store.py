"""A model that lies in Kapok's own store, and a conversation in a terminal."""

import json
import os
import pty
import select
import shutil
import subprocess
import tempfile
import time

from region import Checks, Region
from serve_server import Server

check = Checks()


class StoredServer(Server):
    """A server of an object, with its cache in a folder of its own."""

    def __init__(self, source, environment):
        super().__init__()
        self.source = source
        self.environment = environment

    def start(self):
        began = time.monotonic()
        os.environ.update(self.environment)
        os.environ["KAPOK_MODEL"], kept = self.source, os.environ["KAPOK_MODEL"]
        try:
            self.__enter__()
        finally:
            os.environ["KAPOK_MODEL"] = kept
        return time.monotonic() - began


def store():
    """Uploads the model, serves it from there, changes it, cuts a copy off."""
    with Region("--drive-size", "128MiB") as region:
        client = region.client()
        client.create_bucket(Bucket="models")
        key = "small/a model+1.gguf"
        client.upload_file(os.environ["KAPOK_MODEL"], "models", key)
        environment = {
            "KAPOK_DATA": os.path.join(region.folder, "cache"), "KAPOK_S3_ENDPOINT": region.s3,
            "AWS_ACCESS_KEY_ID": region.access_key, "AWS_SECRET_ACCESS_KEY": region.secret_key,
        }
        server = StoredServer(f"s3://models/{key}", environment)
        first = server.start()
        check.equal("the server ends in order", server.stop(), 0)
        folder = os.path.join(environment["KAPOK_DATA"], "models")
        names = os.listdir(folder)
        check.equal("one copy", len(names), 1)
        copy = os.path.join(folder, names[0])
        check.equal("it is whole", open(copy, "rb").read(),
                    open(os.environ["KAPOK_MODEL"], "rb").read())
        second = server.start()
        server.stop()
        print(f"first start {first:.2f} s, second {second:.2f} s", flush=True)
        # A start that was cut off leaves a part; the next one goes on from there.
        with open(copy, "r+b") as file:
            file.truncate(40_000_000)
        os.rename(copy, copy + ".part")
        server.start()
        server.stop()
        check.equal("a part is completed", os.path.getsize(copy),
                    os.path.getsize(os.environ["KAPOK_MODEL"]))
        refused = subprocess.run(
            [os.environ["KAPOK_BINARY"], "serve", "--model", "s3://models/none", "--port", "0"],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
        check.equal("an object that is not there", refused.returncode, 1)
        check.that("says so", "no such object" in refused.stderr, refused.stderr)
        wrong = subprocess.run(
            [os.environ["KAPOK_BINARY"], "serve", "--model", f"s3://models/{key}", "--port", "0"],
            env={**os.environ, **environment, "AWS_SECRET_ACCESS_KEY": "x"},
            capture_output=True, text=True, timeout=60)
        check.that("a wrong key is told", "do not allow" in wrong.stderr, wrong.stderr)


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, *command):
        self.seen = ""
        self.process, self.file = pty.fork()
        if self.process == 0:
            os.execv(command[0], command)

    def wait_for(self, text, seconds=30):
        """What comes up to and with `text`, from where the last wait ended."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.file], [], [], left)[0]:
                raise TimeoutError(f"{text!r} did not come: {self.seen!r}")
            try:
                self.seen += os.read(self.file, 65536).decode(errors="replace")
            except OSError:
                raise EOFError(self.seen) from None
        end = self.seen.index(text) + len(text)
        found, self.seen = self.seen[:end], self.seen[end:]
        return found

    def type(self, text):
        os.write(self.file, text.encode())

    def end(self):
        """The exit code."""
        while True:
            try:
                if not os.read(self.file, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def terminal():
    folder = tempfile.mkdtemp(prefix="kapok-chat-")
    saved = os.path.join(folder, "talk.json")
    with Server() as server:
        screen = Terminal(os.environ["KAPOK_BINARY"], "chat", "--url", server.url,
                          "--temperature", "0", "--max-tokens", "20")
        screen.wait_for("\n> ")
        screen.type("Hello there\n")
        screen.wait_for("\n> ")
        screen.type("/stats\n")
        check.that("figures", "tokens/s" in screen.wait_for("\n> "))
        screen.type("/system Be a pirate\n")
        screen.wait_for("\n> ")
        screen.type(f"/save {saved}\n")
        screen.wait_for("\n> ")
        messages = json.load(open(saved))["messages"]
        check.equal("the conversation is saved", [m["role"] for m in messages],
                    ["system", "user", "assistant"])
        screen.type("/set max-tokens 7000\n")
        screen.wait_for("\n> ")
        screen.type("Count to one million, one number a line.\n")
        check.that("it is answered", server.settles(
            lambda: server.metric("kapok_http_requests_in_flight") == 1))
        screen.type("\x03")
        screen.wait_for("[stopped]")
        check.that("Ctrl-C ends it on the server, too", server.is_idle())
        screen.wait_for("\n> ")
        screen.type("/nonsense\n")
        screen.wait_for("there is no /nonsense")
        screen.wait_for("\n> ")
        screen.type("\x04")
        check.equal("Ctrl-D leaves", screen.end(), 0)
        piped = subprocess.run(
            [os.environ["KAPOK_BINARY"], "chat", "--url", server.url, "--json", "--seed", "1"],
            input="Hello", capture_output=True, text=True, timeout=60)
        check.that("a pipe gives one answer", json.loads(piped.stdout)["completionTokens"] > 0)
    alone = subprocess.run(
        [os.environ["KAPOK_BINARY"], "chat", "--model", os.environ["KAPOK_MODEL"],
         "--max-tokens", "5", "Hello"], capture_output=True, text=True, timeout=60)
    check.that("a file answers without a server", alone.returncode == 0 and alone.stdout.strip())
    shutil.rmtree(folder)


def main():
    check.section(store)
    check.section(terminal)
    check.finish()


if __name__ == "__main__":
    main()
