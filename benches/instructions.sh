#!/usr/bin/env bash
# Counts instructions, which are the same in each run, unlike times. gungraun counts those of decoding and look-ups
# (`benches/instructions.rs`). callgrind counts those of the client's whole process in `list_all`, `upload` and `transport`.
# The server is another process. Each program runs twice, the second time with twice the work. The script prints the
# difference, so that start-up and shutdown don't count.
#
#   benches/instructions.sh [CHECKOUT] > after.txt          # measures CHECKOUT; default: this checkout
#   benches/instructions.sh compare before.txt after.txt
#
# The benches of this checkout are always used, so that the same programs measure an older commit:
#
#   git worktree add /tmp/before COMMIT && benches/instructions.sh /tmp/before > before.txt
#
# Needs valgrind, and gungraun-runner in the version of gungraun in Cargo.lock.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1-}" = compare ]; then
    awk -F'\t' 'NR == FNR { before[$1] = $2; next }
        $1 in before { printf "%-24s %16.0f %16.0f %+8.2f %%\n", $1, before[$1], $2, 100 * ($2 - before[$1]) / before[$1] }' "$2" "$3"
    exit
fi

checkout=$(cd "${1:-$here/..}" && pwd)
export CARGO_TARGET_DIR="$here/target" CARGO_TERM_COLOR=never
# Always the same directory, so that unchanged crates aren't rebuilt.
work="$CARGO_TARGET_DIR/instructions"
rm -rf "$work"
mkdir -p "$work/benches"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
cp -r "$here"/{Cargo.toml,Cargo.lock,src,benches} "$work/benches"
sed -i "s#path = \"\.\.\"#path = \"$checkout\"#; s#path = \"\.\./#path = \"$checkout/#" "$work/benches/Cargo.toml"
cargo build --release --quiet --manifest-path "$work/benches/Cargo.toml" --bins
programs="$CARGO_TARGET_DIR/release"

# Prints the number of instructions that a program executes.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null | awk '/Collected/ { print $4 }'
}

# report NAME UNITS ONCE TWICE: prints the instructions per unit.
report() {
    awk -v name="$1" -v units="$2" -v once="$3" -v twice="$4" 'BEGIN { printf "%s\t%.0f\n", name, (twice - once) / units }'
}

cargo bench --quiet --manifest-path "$work/benches/Cargo.toml" --bench instructions |
    awk '/^[a-z_]+::[a-z_]+::/ { split($1, part, "::"); name = part[length(part)] } /Instructions:/ { sub(/\|.*/, "", $2); print name "\t" $2 }'

for kind in typed own raw; do
    report "list_all $kind, an item" 5000 "$(VALGRIND=$kind count "$programs/list_all" 5000)" "$(VALGRIND=$kind count "$programs/list_all" 10000)"
done

report "transport, a request" 1000 "$(VALGRIND=client count "$programs/transport" 1000)" "$(VALGRIND=client count "$programs/transport" 2000)"

mkfifo "$work/sink-url"
"$programs/upload" sink > "$work/sink-url" < /dev/null &
read -r url < "$work/sink-url"
for size in 64 128; do head -c "${size}M" /dev/zero | tr '\0' 'x' > "$work/$size"; done
report "upload, a MiB" 64 "$(count "$programs/upload" client "$url" "$work/64")" "$(count "$programs/upload" client "$url" "$work/128")"
