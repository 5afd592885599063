#!/bin/sh
# Builds Caddy as ../../xcaddy.json says, which is an encoded xcaddy.Builder, with this checkout in place of the module.
#
#   xcaddy.sh <output>
#
# GOOS and GOARCH name another machine to build for, CADDY_VERSION another Caddy than the file's. Wants go and jq.
set -eu
cd "$(dirname "$0")/../.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# the tool runs on this machine, whatever it builds for
GOOS='' GOARCH='' CGO_ENABLED=0 go build -o "$tools/xcaddy" github.com/caddyserver/xcaddy/cmd/xcaddy
jq -r --arg other "${CADDY_VERSION:-}" '
	if $other == "" then .caddy_version else $other end,
	(.plugins[] | "--with", ([.module_path, .version // empty] | join("@"))),
	(.replacements[] | "--replace", "\(.old)=\(.new)")
' xcaddy.json >"$tools/arguments"
CGO_ENABLED=0 xargs -a "$tools/arguments" "$tools/xcaddy" build --output "$1"
