#!/usr/bin/env bash
# `make bench`: every program under Benchmarks, then Kapok beside SeaweedFS and the disk. Tables on
# standard output, JSON in .build/bench.
#
#   KAPOK_BENCH_ROUNDS, KAPOK_BENCH_SECONDS   how long the comparison measures
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/bench

# The package's benchmark programs, whichever it declares: executables named ...Benchmarks.
programs=$(swift package describe --type json |
    python3 -c 'import json, sys
for target in json.load(sys.stdin)["targets"]:
    if target["type"] == "executable" and target["path"].startswith("Benchmarks/"):
        print(target["name"])')
for program in $programs; do
    echo "== $program"
    swift build -c release --product "$program"
    case $program in
    DriveBenchmark)
        # Files on the disk that this checkout lies on; 3 GiB, removed at the end.
        mkdir -p .build/bench/drives
        ".build/release/$program" .build/bench/drives
        rm -rf .build/bench/drives
        ;;
    *) ".build/release/$program" ;;
    esac
done

echo "== S3, beside SeaweedFS and the disk"
python3 -B Benchmarks/Peers/compare.py --json .build/bench/s3.json \
    --rounds "${KAPOK_BENCH_ROUNDS:-3}" --seconds "${KAPOK_BENCH_SECONDS:-8}"
