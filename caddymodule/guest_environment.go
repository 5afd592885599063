package caddymodule

import "os"

// LaravelEnv returns what Laravel's env() makes of an environment variable, for guests whose options have such variables as
// defaults: without the quotes that docker leaves around it, and empty for null, (null), empty and (empty).
func LaravelEnv(name string) string { return environment(os.Getenv).value(name) }
