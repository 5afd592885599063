// Command caddy_apps is Caddy as xcaddy builds it for those who keep their apps in a database or behind an endpoint:
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule \
//		--with github.com/onecharge/pusherhub/caddymodule/httpapps \
//		--with github.com/onecharge/pusherhub/caddymodule/sqlapps
package main

import (
	_ "github.com/onecharge/pusherhub/caddymodule"
	_ "github.com/onecharge/pusherhub/caddymodule/httpapps"
	_ "github.com/onecharge/pusherhub/caddymodule/sqlapps"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
