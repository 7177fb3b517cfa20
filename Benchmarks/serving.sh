#!/usr/bin/env bash
# Kapok's CPU backend beside llama.cpp, on the model for tests and other quantisations of it.
#
#   Benchmarks/serving.sh [options of Peers/llama_compare.py]
#
# How fast each is, and in the same rounds how near the kernels come to what memory and the integer
# units can do; parity.sh says whether both compute the same.
set -euo pipefail
cd "$(dirname "$0")/.."
source Benchmarks/Peers/llama_build.sh
swift build -c release --product ModelBenchmark
exec .venv-llama/bin/python Benchmarks/Peers/llama_compare.py \
    --kernels .build/release/ModelBenchmark "$@"
