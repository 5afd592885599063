package caddymodule

import (
	"context"
	"net/http"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// traceAPI makes a span of a request of the HTTP API, in the trace that the request came with: below the span of Caddy's directive
// `tracing`, and with its exporter. Without that directive, or if its trace is not sampled, it makes none.
func traceAPI(ctx context.Context, call pusherhub.APICall) (context.Context, func(pusherhub.APIResult)) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	tracer := parent.TracerProvider().Tracer("github.com/onecharge/pusherhub/caddymodule")
	ctx, span := tracer.Start(ctx, hubsID+" "+call.Operation, trace.WithAttributes(attribute.String("pusher_hub.app_id", call.App)))
	return ctx, func(result pusherhub.APIResult) {
		span.SetAttributes(attribute.Int("http.response.status_code", result.Status))
		if result.Events > 0 {
			span.SetAttributes(attribute.Int("pusher_hub.event_count", result.Events), attribute.Int("pusher_hub.channel_count", result.Channels))
		}
		if result.Status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
