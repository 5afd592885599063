# One container: Caddy with pusher_hub in it, and PHP, which Caddy starts and watches. In a Laravel app's own Dockerfile
# `FROM` this image and `COPY . /app` are enough; the README's "One container" has the whole of it.
#
# No VOLUME: Railway refuses images with one, and behind a load balancer there is nothing to keep.

# Caddy as xcaddy.json describes it, with this checkout in place of the module. Go compiles for other machines by itself.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26-bookworm AS caddy
RUN apt-get update \
	&& apt-get install -y --no-install-recommends jq \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum xcaddy.json ./
COPY pusherhub pusherhub
COPY caddymodule caddymodule
ARG TARGETOS=linux TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	GOOS=$TARGETOS GOARCH=$TARGETARCH caddymodule/image/xcaddy.sh /caddy

# The demo with pusher-js and Echo, which its pages load.
FROM --platform=$BUILDPLATFORM docker.io/library/node:24-bookworm-slim AS demo
WORKDIR /src/clients
COPY integration/clients/package.json integration/clients/package-lock.json integration/clients/.npmrc integration/clients/browser-files.mjs ./
COPY integration/demo ../demo
RUN npm ci

FROM docker.io/library/php:8.4-fpm-bookworm

# What Laravel asks for and the base image lacks, and tini, because orphans of PHP and of queue workers need a parent
# that collects them.
RUN build="libicu-dev libpq-dev libzip-dev" \
	&& apt-get update \
	&& apt-get install -y --no-install-recommends libicu72 libpq5 libzip4 tini $build \
	&& docker-php-ext-install -j"$(nproc)" bcmath intl opcache pcntl pdo_mysql pdo_pgsql zip \
	&& pecl install redis-6.2.0 \
	&& docker-php-ext-enable redis \
	&& apt-get purge -y --auto-remove $build \
	&& rm -rf /var/lib/apt/lists/* /tmp/pear \
	&& cp "$PHP_INI_DIR/php.ini-production" "$PHP_INI_DIR/php.ini"

COPY --from=caddy /caddy /usr/local/bin/caddy
COPY --from=demo /src/demo /usr/share/pusher-hub/demo
COPY Caddyfile.example /etc/caddy/Caddyfile
COPY caddymodule/image/php-fpm.caddyfile /etc/caddy/
COPY caddymodule/image/php.ini $PHP_INI_DIR/conf.d/zz-pusher-hub.ini
COPY --chmod=755 caddymodule/image/entrypoint.sh /usr/local/bin/pusher-hub-entrypoint

# Sockets go to /run, certificates to /data; any account that the container is given may write there.
RUN mkdir -p /app /config /data \
	&& chmod 1777 /config /data /run
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data CADDY_ADMIN=unix//run/caddy-admin.sock
ENV CADDY_GLOBAL_OPTIONS="import php-fpm.caddyfile"
# What Laravel needs to know: that its events go to the publish listener, and its log to the container's.
ENV BROADCAST_CONNECTION=reverb REVERB_HOST=127.0.0.1 REVERB_PORT=6001 REVERB_SCHEME=http LOG_CHANNEL=stderr
WORKDIR /app
EXPOSE 8080

# The base image says SIGQUIT, which to Caddy means: exit at once.
STOPSIGNAL SIGTERM
# The publish listener is at the same place whatever address, port or certificate the site has.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
	CMD curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:${HUB_PUBLISH_PORT:-6001}/.well-known/pusher-hub/ready"
ENTRYPOINT ["tini", "--", "pusher-hub-entrypoint"]
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]
