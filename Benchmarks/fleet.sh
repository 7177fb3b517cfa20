#!/usr/bin/env bash
# How near `kapok simulate fleet` comes to a real server, on a load that it was not fitted on.
#
#   Benchmarks/fleet.sh [slices] [requests of a slice] [folder]
#
# Two loads take turns, each slice on a server of its own, so that what the machine does meanwhile
# meets both. The costs of steps are fitted to load A alone; then load B is simulated and compared.
# Ends with code 1 when a percentile is farther off than 5 %. The folder keeps logs and records.
set -euo pipefail
cd "$(dirname "$0")/.."

slices=${1:-8}
requests=${2:-150}
folder=${3:-$(mktemp -d)}
port=18431
kapok=${KAPOK_BINARY:-.build/release/kapok}
model=${KAPOK_MODEL:-.models/SmolLM2-135M-Instruct.Q4_1.gguf}
[ -x "$kapok" ] || make build
[ -f "$model" ] || make model
mkdir -p "$folder"

server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT

# Whether the server answers that its model is loaded.
is_ready() (
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
    head -n 1 <&3 | grep -q ' 200'
) 2>/dev/null

# load NAME SLICE OPTIONS...: one slice of a load on a fresh server.
load() {
    local name=$1 slice=$2
    shift 2
    "$kapok" serve --model "$model" --host 127.0.0.1 --port "$port" --threads 2 \
        --step-log "$folder/steps-$name-$slice.jsonl" >"$folder/serve.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        is_ready && break
        kill -0 "$server" 2>/dev/null || { cat "$folder/serve.log" >&2; exit 1; }
        sleep 0.1
    done
    "$kapok" bench serve --url "http://127.0.0.1:$port" --requests "$requests" --seed "$slice" \
        --records "$folder/$name-$slice.jsonl" --json "$@" >"$folder/$name-$slice.json"
    kill "$server"
    wait "$server" || true
    server=
}

for slice in $(seq "$slices"); do
    echo "slice $slice of $slices" >&2
    # Few requests at a time, and many: costs are wanted for both.
    load a "$slice" --rate $((slice % 2 ? 3 : 5)) --prompt lognormal:200,0.8,1500 --generate uniform:20-120
    load b "$slice" --rate 5 --prompt uniform:30-400 --generate uniform:40-100
done

logs=() records=() others=()
for slice in $(seq "$slices"); do
    logs+=(--step-log "$folder/steps-a-$slice.jsonl")
    records+=("$folder/a-$slice.jsonl")
    others+=("$folder/b-$slice.jsonl")
done
"$kapok" simulate fleet fit "${logs[@]}" "${records[@]/#/--records=}" --output "$folder/costs.json"

# compare TITLE RECORDS...: simulated beside real percentiles.
compare() {
    echo
    echo "$1"
    shift
    "$kapok" simulate fleet run --costs "$folder/costs.json" --repeats 5 "${@/#/--against=}"
    "$kapok" simulate fleet run --costs "$folder/costs.json" --repeats 5 "${@/#/--against=}" \
        --json >"$folder/compared.json"
}
compare "Load A, which the costs were fitted to:" "${records[@]}"
compare "Load B, which they were not fitted to:" "${others[@]}"
python3 - "$folder/compared.json" "${others[@]}" <<'END'
import json, random, sys

pairs = json.load(open(sys.argv[1]))["pairs"]
slices = []
for path in sys.argv[2:]:
    records = [json.loads(line) for line in open(path)]
    good = [r for r in records if not r.get("error") and r["completionTokens"] > 1]
    slices.append([(r["timeToFirstToken"], sum(r["gaps"]) / (r["completionTokens"] - 1)) for r in good])

print("\nHow much the real figures depend on which slices were drawn (90 % of 500 draws):")
dice = random.Random(1)
draws = [[r for s in dice.choices(slices, k=len(slices)) for r in s] for _ in range(500)]
for column, name in enumerate(("TTFT", "TPOT")):
    drawn = [sorted(r[column] for r in draw) for draw in draws]
    for share in (50, 90, 95, 99):
        values = sorted(v[len(v) * share // 100] * 1000 for v in drawn)
        print(f"{name} P{share}  {values[25]:.2f} to {values[474]:.2f}")

worst = max(pairs, key=lambda pair: abs(pair["errorPercent"]))
print(f"\nfarthest off on load B: {worst['name']}, {worst['errorPercent']:.1f} %")
sys.exit(abs(worst["errorPercent"]) > 5)
END
