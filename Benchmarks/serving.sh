#!/usr/bin/env bash
# Kapok's CPU backend beside llama.cpp, on the model for tests and other quantisations of it.
#
#   Benchmarks/serving.sh [options of Peers/llama_compare.py]
#
# Builds the peer, PyPI's llama-cpp-python, from source for this processor into .venv-llama: ten
# minutes on two cores, once.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! .venv-llama/bin/python -c 'import llama_cpp' 2>/dev/null; then
    python3 -m venv --clear .venv-llama
    .venv-llama/bin/python -m pip install --quiet --disable-pip-version-check \
        cmake ninja scikit-build-core numpy diskcache jinja2 typing_extensions
    PATH="$PWD/.venv-llama/bin:$PATH" CMAKE_ARGS='-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF' \
        .venv-llama/bin/python -m pip install --disable-pip-version-check --no-deps \
        --no-build-isolation --no-binary llama-cpp-python 'llama-cpp-python==0.3.36'
fi
[ -x .build/release/kapok ] || make build
make model
exec .venv-llama/bin/python Benchmarks/Peers/llama_compare.py "$@"
