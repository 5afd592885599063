package integration

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traceCollector is an OTLP collector that keeps every span.
type traceCollector struct {
	*httptest.Server

	mu    sync.Mutex
	spans []*trace.Span // guarded by mu
}

func newTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := new(traceCollector)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// named returns the spans of that name so far.
func (c *traceCollector) named(name string) (found []*trace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// tracedSite has Caddy's own tracing around the hub.
const tracedSite = `
:{$PORT} {
	tracing {
		span request
	}
	pusher_hub {
		drain 100ms
	}
}
`

// publishTraced publishes to two channels as part of somebody's trace.
func publishTraced(t *testing.T, s *server, traceparent string) {
	t.Helper()
	const body = `{"name":"e","channels":["a","b"],"data":"private matter"}`
	r, err := http.NewRequest(http.MethodPost, s.site().SignedURL(http.MethodPost, "/apps/"+appID+"/events", body, nil), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", traceparent)
	if answer := do(t, r); answer.status != http.StatusOK {
		t.Fatalf("found %d %s", answer.status, answer.body)
	}
}

func TestPublishJoinsTheCallersTrace(t *testing.T) {
	c := newTraceCollector(t)
	s := newServer(t)
	s.Env = append(slices.Clip(s.Env), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=20")
	s.start(tracedSite)

	const unsampled, sampled, caller = "11111111111111111111111111111111", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	publishTraced(t, s, "00-"+unsampled+"-"+caller+"-00")
	publishTraced(t, s, "00-"+sampled+"-"+caller+"-01")
	hubtest.Eventually(t, "both spans are exported", func() bool {
		return len(c.named("request")) > 0 && len(c.named("pusher_hub publish")) > 0
	})
	requests, publishes := c.named("request"), c.named("pusher_hub publish")
	if len(requests) != 1 || len(publishes) != 1 {
		t.Fatalf("found %d and %d spans, expected one of each, and none of a trace that nobody records", len(requests), len(publishes))
	}
	request, publish := requests[0], publishes[0]
	if hex.EncodeToString(request.TraceId) != sampled || hex.EncodeToString(request.ParentSpanId) != caller {
		t.Errorf("Caddy's span is of trace %x below %x", request.TraceId, request.ParentSpanId)
	}
	if hex.EncodeToString(publish.TraceId) != sampled || string(publish.ParentSpanId) != string(request.SpanId) {
		t.Errorf("the hub's span is of trace %x below %x, expected %s below Caddy's %x", publish.TraceId, publish.ParentSpanId, sampled, request.SpanId)
	}
	found := make(map[string]string)
	for _, attribute := range publish.Attributes {
		found[attribute.Key] = valueText(attribute.Value)
	}
	for name, want := range map[string]string{
		"pusher_hub.app_id": appID, "pusher_hub.event_count": "1", "pusher_hub.channel_count": "2", "http.response.status_code": "200",
	} {
		if found[name] != want {
			t.Errorf("%s: found %q, expected %q", name, found[name], want)
		}
	}
	if len(found) != 4 {
		t.Errorf("found the attributes %v, expected four", found)
	}
	for _, span := range append(requests, publishes...) {
		if text := span.String(); strings.Contains(text, "private matter") || strings.Contains(text, appSecret) {
			t.Errorf("the span says too much: %s", text)
		}
	}
	s.site().Dial(t).Subscribe("a") // sockets go through the tracing, too
}

func valueText(v *common.AnyValue) string {
	if n, ok := v.Value.(*common.AnyValue_IntValue); ok {
		return strconv.FormatInt(n.IntValue, 10)
	}
	return v.GetStringValue()
}
