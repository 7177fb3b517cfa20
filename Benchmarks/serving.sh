#!/usr/bin/env bash
# Kapok's CPU backend beside llama.cpp, on the model for tests and other quantisations of it.
#
#   Benchmarks/serving.sh [options of Peers/llama_compare.py]
#
# How fast each is; parity.sh says whether they compute the same.
set -euo pipefail
cd "$(dirname "$0")/.."
source Benchmarks/Peers/llama_build.sh
exec .venv-llama/bin/python Benchmarks/Peers/llama_compare.py "$@"
