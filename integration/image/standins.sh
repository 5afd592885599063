#!/usr/bin/env bash
# Makes stand-ins for the images that ../../Dockerfile begins with, for machines that cannot pull them, from Debian's
# packages and this machine's Go and Node. They show that our own steps work; that docker-php-ext-install and pecl of the
# official PHP image do, only a build on that image can show.
#
#   standins.sh <folder for the downloaded Debian> <buildah command…>
set -euo pipefail

debian=$1
shift
buildah=("$@")

# begin <stage>: a new container on what the Dockerfile names for that stage
names() { sed -nE "s|^FROM (--platform=\S+ )?(docker.io/library/$1:\S+).*|\2|p" "$(dirname "${BASH_SOURCE[0]}")/../../Dockerfile"; }

exists() { "${buildah[@]}" images --quiet "$1" >/dev/null 2>&1; }

run() { "${buildah[@]}" run --isolation chroot --user root "$container" -- "$@"; }

config() { "${buildah[@]}" config "$@" "$container"; }

install() {
	run apt-get update -qq
	run env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
	run sh -c 'rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin'
}

commit() {
	"${buildah[@]}" commit --quiet --rm "$container" "$1" >/dev/null
	echo "made a stand-in for $1"
}

base=localhost/standin-debian
if ! exists "$base"; then
	if [ ! -d "$debian" ]; then
		debootstrap --variant=minbase --include=ca-certificates bookworm "$debian.part" >/dev/null
		mv "$debian.part" "$debian"
	fi
	container=$("${buildah[@]}" from scratch)
	"${buildah[@]}" copy --quiet "$container" "$debian" / >/dev/null
	# Whom this machine trusts, its containers trust: a proxy may stand before the package servers.
	if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
		"${buildah[@]}" copy --quiet "$container" /usr/local/share/ca-certificates /usr/local/share/ca-certificates >/dev/null
		run update-ca-certificates >/dev/null
	fi
	commit "$base"
fi

name=$(names golang)
if ! exists "$name"; then
	container=$("${buildah[@]}" from --pull-never "$base")
	"${buildah[@]}" copy --quiet "$container" "$(go env GOROOT)" /usr/local/go >/dev/null
	config --env GOPATH=/go --env GOTOOLCHAIN=local --env GOPROXY=file:///downloads --env GOSUMDB=off \
		--env PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	commit "$name"
fi

name=$(names node)
if ! exists "$name"; then
	container=$("${buildah[@]}" from --pull-never "$base")
	install libatomic1 libstdc++6
	"${buildah[@]}" copy --quiet "$container" "$(readlink -f "$(command -v node)")" /usr/local/bin/node >/dev/null
	"${buildah[@]}" copy --quiet "$container" "$(npm root --global)/npm" /usr/local/lib/node_modules/npm >/dev/null
	run ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
	config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt --env "npm_config_registry=$(npm config get registry)"
	commit "$name"
fi

name=$(names php)
if ! exists "$name"; then
	container=$("${buildah[@]}" from --pull-never "$base")
	install curl php-cli php-fpm php-bcmath php-curl php-intl php-mbstring php-mysql php-pgsql php-redis php-xml php-zip
	# the official image's names and places
	"${buildah[@]}" copy --quiet --chmod 755 "$container" "$(dirname "${BASH_SOURCE[0]}")/docker-php-ext-install" /usr/local/bin/docker-php-ext-install >/dev/null
	run sh -eux -c '
		version=$(ls /etc/php)
		mkdir -p /usr/local/etc/php/conf.d
		cp /usr/lib/php/$version/php.ini-production /usr/local/etc/php/
		ln -s /usr/sbin/php-fpm$version /usr/local/sbin/php-fpm
		ln -s /usr/bin/php /usr/local/bin/php
		ln -s docker-php-ext-install /usr/local/bin/docker-php-ext-enable
		ln -s docker-php-ext-install /usr/local/bin/pecl' 2>/dev/null
	config --env PHP_INI_DIR=/usr/local/etc/php --env PHPRC=/usr/local/etc/php --env PHP_INI_SCAN_DIR=:/usr/local/etc/php/conf.d \
		--entrypoint '["docker-php-entrypoint"]' --cmd php-fpm --stop-signal SIGQUIT --port 9000 --workingdir /var/www/html
	commit "$name"
fi
