#!/usr/bin/env bash
# The demo: php-fpm, Caddy with ../Caddyfile.example, and a publisher that lets drivers move. Runs until Ctrl-C.
#
#   SITE_ADDRESS       the site, as Caddy writes addresses (default: :8080, or the next port that is free)
#   HUB_PUBLISH_PORT   where PHP publishes, on the loopback interface (default: 6001, or the next port that is free)
#   REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET
#                      the app (default: a new one, with a random secret)
#
# The Makefile builds and installs what this needs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
caddy=$here/.build/caddy
# What the programs write is for this account only.
umask 077
# Sockets, logs and the demo as PHP sees it; they stay if the run fails. When root runs this, PHP's account has to pass through.
work=$(mktemp -d "${TMPDIR:-/tmp}/pusher-hub.XXXXXX")
chmod 711 "$work"

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	local port=$1
	while taken "$port"; do
		port=$((port + 1))
	done
	echo "$port"
}

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# The URL of a Caddy site address: without a host it is plain HTTP, with one it is HTTPS unless it says otherwise.
url_of() {
	case $1 in
	http://* | https://*) echo "${1%/}" ;;
	:443) echo "https://localhost" ;;
	:80) echo "http://localhost" ;;
	:*) echo "http://localhost$1" ;;
	*:80) echo "http://${1%:80}" ;;
	*) echo "https://$1" ;;
	esac
}

export SITE_ADDRESS=${SITE_ADDRESS:-:$(free_port 8080)}
export HUB_PUBLISH_PORT=${HUB_PUBLISH_PORT:-$(free_port 6001)}
export REVERB_APP_ID=${REVERB_APP_ID:-$((RANDOM + 100000))}
export REVERB_APP_KEY=${REVERB_APP_KEY:-$(random 10)}
export REVERB_APP_SECRET=${REVERB_APP_SECRET:-$(random 10)}
# where PHP publishes, whatever a Laravel .env in this shell says
export REVERB_HOST=127.0.0.1 REVERB_PORT=$HUB_PUBLISH_PORT REVERB_SCHEME=http
# what php-fpm.sh serves
export APP_ROOT=$work/php.sock.demo/public
# not the default port: another Caddy may run on this machine
export CADDY_ADMIN=unix/$work/admin.sock

names=() pids=() failed=

# Every program gets a process group of its own, so that Ctrl-C reaches this script only, and the programs end in order.
set -m
start() {
	local name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 </dev/null &
	names+=("$name") pids+=($!)
}

# Ends the programs, the last started first, and waits for each.
stop() {
	trap '' INT TERM
	local i
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill -TERM "${pids[i]}" 2>/dev/null || true
		wait "${pids[i]}" 2>/dev/null || true
	done
	if [ -z "$failed" ]; then
		rm -rf "$work"
	fi
}

fail() {
	failed=yes
	echo >&2
	echo "$1 The end of $work/$2.log:" >&2
	tail -n 15 "$work/$2.log" >&2
	exit 1
}

# Waits for a line in a program's log.
expect() {
	local name=$1 text=$2 tries
	for ((tries = 0; tries < 300; tries++)); do
		if grep -qF "$text" "$work/$name.log"; then
			return
		fi
		kill -0 "${pids[-1]}" 2>/dev/null || fail "$name did not start." "$name"
		sleep 0.1
	done
	fail "$name does not get ready." "$name"
}

trap stop EXIT
trap 'echo; echo "Stopping."; exit 0' INT TERM

# to Caddyfile.example PHP_FPM is an address, to php-fpm.sh a binary
start php-fpm env -u PHP_FPM "$here/demo/php-fpm.sh" "$work/php.sock"
expect php-fpm "ready to handle connections"
start caddy env PHP_FPM="unix/$work/php.sock" "$caddy" run --config "$here/../Caddyfile.example"
expect caddy "serving initial configuration"
start publish php "$here/demo/publish.php"

url=$(url_of "$SITE_ADDRESS")
if ! curl -sSk -o /dev/null --retry 20 --retry-delay 1 --retry-all-errors --connect-to '::127.0.0.1:' "$url/up"; then
	fail "Caddy runs, but $url does not answer." caddy
fi

cat <<TEXT

The demo runs:  $url

Open it in two windows: drivers move, viewers see each other, a click on the map places an order.

Is the WebSocket there? This answers 101 Switching Protocols (Ctrl-C ends it):

    curl -si --http1.1 -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" "$url/app/$REVERB_APP_KEY"

Next: put pusher_hub into the Caddyfile of your own app, see "Use it" in the README.
Logs: $work/*.log
Ctrl-C stops everything.
TEXT

# until one of them ends, which none should
ended=
wait -n -p ended "${pids[@]}" || true
for i in "${!pids[@]}"; do
	if [ "${pids[i]}" = "$ended" ]; then
		fail "${names[i]} has ended." "${names[i]}"
	fi
done
