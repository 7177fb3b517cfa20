"""Runs SeaweedFS on loopback with its state in a folder until it is interrupted; prints one line of
JSON with the endpoint and the keys. For measuring it by hand with `kapok bench s3`."""

import json
import os
import signal
import sys

from servers import ACCESS_KEY, SECRET_KEY, SeaweedFS, install_seaweedfs


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: seaweedfs.py VENV-FOLDER NEW-STATE-FOLDER")
    if os.path.exists(sys.argv[2]):
        sys.exit(f"{sys.argv[2]} exists: its content would be removed at the end")
    server = SeaweedFS(install_seaweedfs(sys.argv[1]), sys.argv[2])
    try:
        print(json.dumps({
            "s3": server.endpoint, "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        server.stop()


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
main()
