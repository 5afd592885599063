// Command caddy is Caddy with its standard modules, pusher_hub and php_fpm: the same as
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule \
//		--with github.com/onecharge/pusherhub/caddymodule/phpfpm
//
// but built with the versions that this repository was tested with.
package main

import (
	_ "time/tzdata" // for machines and images without a time zone database

	_ "github.com/onecharge/pusherhub/caddymodule"
	_ "github.com/onecharge/pusherhub/caddymodule/phpfpm"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
