package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	// requestGrace is what requests get that are under way when the sockets are gone, if the config grants them more
	// time than anybody has: Caddy's own default is to wait for them for ever.
	requestGrace = 2 * time.Second

	// exitMargin is what the rest of an exit may take beyond the drain and the requests.
	exitMargin = time.Second

	// answerTime is what the rest of an exit takes at least: clients have 2 s to answer their close frame, the last of them after
	// the drain.
	answerTime = 2500 * time.Millisecond

	// finishTime is what plugins have to finish what they have begun, such as webhooks that are still to be sent.
	finishTime = 2 * time.Second
)

// boundExit sees to it that the process, which has begun to exit, ends: by itself in the time that the config grants, and at
// once when somebody asks for it again. Caddy does neither: it waits for requests without a limit, and takes no second SIGTERM
// while it waits.
func (h *Hubs) boundExit() {
	grace, err := h.boundGrace()
	if err != nil {
		h.log.Error("bounding the exit", zap.Error(err))
	}
	rest := max(grace+exitMargin, answerTime)
	limit := answerTime + finishTime + grace + exitMargin // a drain of a few sockets takes no time
	for _, hub := range h.hubs {
		limit = max(limit, hub.drain+rest)
	}
	if app, err := h.ctx.AppIfConfigured("php_fpm"); err == nil {
		if programs, ok := app.(interface{ ExitTime() time.Duration }); ok {
			limit = max(limit, programs.ExitTime()+exitMargin)
		}
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGTERM, os.Interrupt)
	go func() { // until the process is gone
		select {
		case sig := <-again:
			h.log.Warn("asked again to exit: exiting at once, whatever is open", zap.Stringer("signal", sig))
		case <-time.After(limit):
			h.log.Error("the exit takes too long: exiting at once, whatever is open", zap.Duration("limit", limit))
		}
		_ = h.log.Sync()
		os.Exit(caddy.ExitCodeForceQuit)
	}()
}

// boundGrace returns how long requests may take at the exit, and gives the http app a limit if it has none. It has not begun to
// stop yet.
func (h *Hubs) boundGrace() (time.Duration, error) {
	app, err := h.ctx.AppIfConfigured("http")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return 0, nil
	}
	if err != nil {
		return requestGrace, fmt.Errorf("finding the http app: %w", err)
	}
	web := app.(*caddyhttp.App)
	if web.GracePeriod == 0 {
		web.GracePeriod = caddy.Duration(requestGrace)
	}
	return time.Duration(web.GracePeriod + web.ShutdownDelay), nil
}
