#!/bin/sh
# Runs php-fpm for the demo in the foreground, listening on a unix socket, until SIGTERM, SIGINT or SIGQUIT.
#
#   php-fpm.sh <socket>
#
# The configuration is written beside the socket. PHP_FPM names another binary than the newest php-fpm found,
# PHP_FPM_USER the account of the workers when root starts this (www-data, or root if that account cannot read the project).
set -eu

demo=$(cd "$(dirname "$0")" && pwd)
socket=${1:?usage: php-fpm.sh <socket>}
user=${PHP_FPM_USER:-www-data}

find_php_fpm() {
	for candidate in php-fpm8.5 php-fpm8.4 php-fpm8.3 php-fpm8.2 php-fpm; do
		for directory in $(printf %s "$PATH" | tr : ' ') /usr/sbin /usr/local/sbin; do
			if [ -x "$directory/$candidate" ]; then
				echo "$directory/$candidate"
				return
			fi
		done
	done
	echo "php-fpm.sh: no php-fpm found; on Debian: apt-get install php-fpm" >&2
	return 1
}
php_fpm=${PHP_FPM:-$(find_php_fpm)}

as_root=
if [ "$(id -u)" = 0 ]; then
	# A checkout below /root or in a private folder is closed to other accounts, and PHP would only say "File not found.", for every
	# request. The demo listens on this machine only, so there the workers run as root.
	if ! su -s /bin/sh "$user" -c 'test -r "$0"' "$demo/public/index.php"; then
		echo "php-fpm.sh: $user cannot read $demo/public/index.php, so the demo's PHP runs as root" >&2
		user=root
		as_root=--allow-to-run-as-root
	fi
	for_root='s/^root: //'
else
	for_root='/^root: /d'
fi

sed -e "$for_root" \
	-e "s|@SOCKET@|$socket|" \
	-e "s|@USER@|$user|" \
	-e "s|@GROUP@|$(id -gn "$user" 2>/dev/null || id -gn)|" \
	"$demo/php-fpm.conf.template" >"$socket.conf"

# shellcheck disable=SC2086 # nothing or one word
exec "$php_fpm" $as_root --nodaemonize --fpm-config "$socket.conf"
