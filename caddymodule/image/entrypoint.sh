#!/bin/sh
# Turns what a platform sets into what the Caddyfile reads, where a Caddyfile cannot branch, and becomes its arguments.
#
#   PORT           plain HTTP on that port, behind a load balancer that ends TLS (Railway, Fly, Render, Cloud Run)
#   SITE_ADDRESS   the site as Caddy writes addresses; a domain gets its certificate. It wins over PORT.
#
# With neither, plain HTTP on 8080. With no app in /app the demo is served, under random credentials unless some are set.
set -eu

if [ -n "${PORT:-}" ] && [ -z "${SITE_ADDRESS:-}" ]; then
	export SITE_ADDRESS="http://:$PORT"
	# The load balancer is the only one who reaches the port; 100.64.0.0/10 is where Railway's comes from.
	export TRUSTED_PROXIES="${TRUSTED_PROXIES-private_ranges 100.64.0.0/10}"
	# It must be a header that the platform sets itself: on those that pass X-Real-IP on, a client could be whom it likes.
	headers="X-Real-IP X-Forwarded-For"
	if [ -n "${FLY_APP_NAME:-}" ]; then
		headers=Fly-Client-IP
	elif [ -n "${RENDER:-}${K_SERVICE:-}" ]; then # Render, Cloud Run
		headers=X-Forwarded-For
	fi
	export CLIENT_IP_HEADERS="${CLIENT_IP_HEADERS-$headers}"
fi

if [ -z "${APP_ROOT:-}" ] && [ ! -d /app/public ]; then
	export APP_ROOT=/usr/share/pusher-hub/demo/public
	random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
	if [ -z "${REVERB_APP_ID:-}${REVERB_APP_KEY:-}${REVERB_APP_SECRET:-}" ]; then
		REVERB_APP_ID=demo REVERB_APP_KEY=$(random 10) REVERB_APP_SECRET=$(random 20)
		export REVERB_APP_ID REVERB_APP_KEY REVERB_APP_SECRET
	fi
fi

exec "$@"
