#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one after the other: fuzz.sh [time for each, such as 20s]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-20s}
# as the binary was built just before; otherwise Go compiles all of Caddy once more
export CGO_ENABLED=0

# fuzz runs one target. What it finds it writes down and says so. On a busy machine Go also fails a target with a bare
# "context deadline exceeded" because a worker was still at it when the time was up: that found nothing.
fuzz() {
	# without a bound Go spends most of the time on making inputs smaller
	local output status=0
	output=$(mktemp)
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x "$1" 2>&1 | tee "$output" || status=$?
	if [ "$status" != 0 ] && grep -qx '    context deadline exceeded' "$output" && ! grep -qE 'Failing input written|panic:' "$output"; then
		echo "-- $2: time was up in the middle of an input, nothing was found"
		status=0
	fi
	rm -f "$output"
	return "$status"
}

total=0
for package in $(go list ./pusherhub/... ./caddymodule/...); do
	targets=$(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
	for target in $targets; do
		echo "-- $target, $time"
		fuzz "$package" "$target"
		total=$((total + 1))
	done
done
if [ "$total" = 0 ]; then
	echo "fuzz.sh: found no fuzz target, which cannot be right" >&2
	exit 1
fi
