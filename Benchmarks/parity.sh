#!/usr/bin/env bash
# Whether Kapok's CPU backend computes what llama.cpp computes, on the model for tests and other
# quantisations of it: logits, greedy texts, perplexity.
#
#   Benchmarks/parity.sh [options of Peers/llama_parity.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source Benchmarks/Peers/llama_build.sh
exec .venv-llama/bin/python -B Benchmarks/Peers/llama_parity.py "$@"
