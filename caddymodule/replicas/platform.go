// Package replicas finds out whether a platform runs a service more than once, on those that let a process see it: Railway, Fly and Heroku.
package replicas

import (
	"fmt"
	"strconv"
	"strings"
)

// Platform is where to look. The zero value is a platform that shows nothing.
type Platform struct {
	host  string // a name with an address for each replica; empty: there is none
	known string // what the environment alone says; empty: nothing
}

// On returns the platform that the environment names. It asks nobody.
func On(getenv func(name string) string) Platform {
	// Each dyno gets its number from 1 on; only those of the type web get requests.
	if n, err := strconv.Atoi(strings.TrimPrefix(getenv("DYNO"), "web.")); err == nil && n > 1 {
		return Platform{known: fmt.Sprintf("this is dyno web.%d", n)}
	}
	if host := getenv("RAILWAY_PRIVATE_DOMAIN"); host != "" {
		return Platform{host: host}
	}
	if app := getenv("FLY_APP_NAME"); app != "" {
		if group := getenv("FLY_PROCESS_GROUP"); group != "" {
			return Platform{host: group + ".process." + app + ".internal"} // not the machines that run something else
		}
		return Platform{host: app + ".internal"}
	}
	return Platform{}
}
