#!/bin/sh
# Runs php-fpm for the demo in the foreground, listening on a unix socket, until SIGTERM, SIGINT or SIGQUIT.
#
#   php-fpm.sh <socket>
#
# The configuration is written beside the socket, as <socket>.conf, and so is what is served: <socket>.demo. Its folder public is the
# root that the web server has to name to PHP. When root starts this, PHP must not run as root, and the account that it runs as may
# pass through the socket's folder but need not be able to read the project.
#
# PHP_FPM names another binary than the newest php-fpm found, PHP_FPM_USER the account of the workers when root starts this (www-data).
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

served=$socket.demo
rm -rf "$served"
if [ "$(id -u)" = 0 ]; then
	for_root='s/^root: //'
	# A checkout below /root or in a private folder is closed to other accounts, so they get a copy, which is theirs to read only.
	group=$(id -gn "$user")
	mkdir "$served"
	cp -R "$demo/public" "$demo/src" "$demo/views" "$served"
	chgrp -R "$group" "$served"
	chmod -R u=rwX,g=rX,o= "$served"
	# otherwise PHP would only say "File not found.", for every request
	# shellcheck disable=SC2016 # the account's shell expands it
	if ! su -s /bin/sh "$user" -c 'test -r "$0"' "$served/public/index.php"; then
		echo "php-fpm.sh: $user may not pass through to $served; set TMPDIR to a folder that is open to all, such as /tmp" >&2
		exit 1
	fi
else
	for_root='/^root: /d'
	group= # a master that is not root names none
	ln -s "$demo" "$served"
fi

sed -e "$for_root" \
	-e "s|@SOCKET@|$socket|" \
	-e "s|@USER@|$user|" \
	-e "s|@GROUP@|$group|" \
	"$demo/php-fpm.conf.template" >"$socket.conf"

exec "$php_fpm" --nodaemonize --fpm-config "$socket.conf"
