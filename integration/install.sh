#!/usr/bin/env bash
# Installs what the demo, or with the argument `test` the tests, or with `image` those of the image, need and this Debian
# machine lacks. Go and Node are expected to be there. Where nothing is missing nothing happens, and apt is not even asked.
set -euo pipefail

for tool in go node npm; do
	if ! command -v "$tool" >/dev/null; then
		echo "install.sh: $tool is missing; the README says what has to be there before" >&2
		exit 1
	fi
done

has() {
	local name
	for name; do
		if [ -n "$(PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$name")" ]; then
			return
		fi
	done
	return 1
}

# packages beside the commands that they bring
missing=()
has curl || missing+=(curl)
has php || missing+=(php-cli)
has php-fpm8.5 php-fpm8.4 php-fpm8.3 php-fpm8.2 php-fpm || missing+=(php-fpm)
{ has php && php -m | grep -qx curl; } || missing+=(php-curl)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
if [ "${1:-}" = test ]; then
	has chromium chromium-browser google-chrome || missing+=(chromium)
	# the race detector is C
	has gcc || missing+=(gcc)
	[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
	has shellcheck || missing+=(shellcheck)
	/usr/bin/python3 -c 'import websockets' 2>/dev/null || missing+=(python3-websockets)
	# servers for the app source sql; the tests run instances of their own
	has postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
	has mariadbd || missing+=(mariadb-server)
	# servers for the brokers; the tests run instances of their own
	has redis-server || missing+=(redis-server)
	has redis-cli || missing+=(redis-tools)
	has nats-server || missing+=(nats-server)
fi
if [ "${1:-}" = image ]; then
	has buildah || missing+=(buildah)
	has debootstrap || missing+=(debootstrap)
	has podman || missing+=(podman)
	has runc || missing+=(runc)
	# by which debootstrap knows that Debian is Debian
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
fi

if [ ${#missing[@]} -eq 0 ]; then
	exit
fi
echo "Installing: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
	as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
