package pusherhub

import (
	"context"

	"go.uber.org/zap"
)

// logLookup logs that an app could not be looked up, with its id or key. Who left while he waited is no failure.
func (h *Hub) logLookup(ctx context.Context, by, name string, err error) {
	if ctx.Err() == nil {
		h.lookups.error(h.logger(), "looking up app", zap.String(by, shortened(name)), zap.Error(err))
	}
}
