#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one after the other: fuzz.sh [time for each, such as 20s]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-20s}

total=0
for package in $(go list ./pusherhub/... ./caddymodule/...); do
	targets=$(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
	for target in $targets; do
		echo "-- $target, $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
		total=$((total + 1))
	done
done
if [ "$total" = 0 ]; then
	echo "fuzz.sh: found no fuzz target, which cannot be right" >&2
	exit 1
fi
