package redisbroker

import (
	"context"
	"crypto/sha1" //nolint:gosec // the hash that Redis wants
	_ "embed"
	"encoding/hex"

	"github.com/redis/rueidis"
)

var (
	//go:embed scripts/register.lua
	registerText string
	//go:embed scripts/apply.lua
	applyText string
	//go:embed scripts/reap.lua
	reapText string
	//go:embed scripts/pulse.lua
	pulseText string
	//go:embed scripts/beat.lua
	beatText string
	//go:embed scripts/dead.lua
	deadText string
	//go:embed scripts/read.lua
	readText string
	//go:embed scripts/keep.lua
	keepText string

	applyScript = newScript(registerText + applyText)
	reapScript  = newScript(registerText + reapText)
	pulseScript = newScript(pulseText)
	beatScript  = newScript(beatText)
	deadScript  = newScript(deadText)
	readScript  = newScript(readText)
)

// script is a script and the hash that Redis knows it by.
type script struct{ text, sha string }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // the hash that Redis wants
	return &script{text: text, sha: hex.EncodeToString(sum[:])}
}

// call is one run of a script. All keys are of one partition.
type call struct {
	script *script
	keys   []string
	args   []string
}

// run runs scripts in one pipeline. Those that the server does not have yet are sent to it.
func run(ctx context.Context, c rueidis.Client, calls ...call) []rueidis.RedisResult {
	commands := make(rueidis.Commands, len(calls))
	for i, r := range calls {
		commands[i] = c.B().Evalsha().Sha1(r.script.sha).Numkeys(int64(len(r.keys))).Key(r.keys...).Arg(r.args...).Build()
	}
	results := c.DoMulti(ctx, commands...)

	var missing []int
	var texts rueidis.Commands
	for i, r := range calls {
		if err, ok := rueidis.IsRedisErr(results[i].Error()); ok && err.IsNoScript() {
			missing = append(missing, i)
			texts = append(texts, c.B().Eval().Script(r.script.text).Numkeys(int64(len(r.keys))).Key(r.keys...).Arg(r.args...).Build())
		}
	}
	if len(missing) > 0 {
		for i, result := range c.DoMulti(ctx, texts...) {
			results[missing[i]] = result
		}
	}
	return results
}
