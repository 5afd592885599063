// Command caddy_cluster is Caddy as xcaddy builds it for hubs on many machines:
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule \
//		--with github.com/onecharge/pusherhub/caddymodule/redis \
//		--with github.com/onecharge/pusherhub/caddymodule/nats
package main

import (
	_ "github.com/onecharge/pusherhub/caddymodule"
	_ "github.com/onecharge/pusherhub/caddymodule/nats"
	_ "github.com/onecharge/pusherhub/caddymodule/redis"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
