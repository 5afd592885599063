package ratelimit_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/onecharge/pusherhub/pusherhub/ratelimit"
)

// What a message costs, with an answer, without the plugin and with every limit there is: the difference is the plugin's.
// Pings go out and pongs come back a hundred at a time, over a pipe, so that there is little else to measure.
func BenchmarkMessage(b *testing.B) {
	rate := ratelimit.Rate{Count: 1e12}
	all := ratelimit.Limits{Messages: rate, Bytes: rate}
	for name, limits := range map[string][]ratelimit.Config{
		"no plugin":  nil,
		"per socket": {{PerSocket: ratelimit.Limits{Messages: rate}}},
		"all":        {{PerSocket: all, PerUser: all, PerIP: all, PerApp: all}},
	} {
		b.Run(name, func(b *testing.B) {
			config := hubtest.WithCredentials(pusherhub.AppConfig{})
			for _, c := range limits {
				plugin, err := ratelimit.New(c)
				if err != nil {
					b.Fatal(err)
				}
				config.Plugins = append(config.Plugins, plugin)
			}
			app, err := pusherhub.NewApp(config)
			if err != nil {
				b.Fatal(err)
			}
			s := hubtest.NewPipeServerWith(b, pusherhub.Config{Apps: []*pusherhub.App{app}})
			r, err := http.NewRequest(http.MethodGet, s.URL+"/app/"+s.App.Key, http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			for header, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			} {
				r.Header.Set(header, value)
			}
			res, err := s.Client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			nc := res.Body.(io.ReadWriteCloser)
			defer nc.Close()
			const batch = 100
			pings := bytes.Repeat(hubtest.ClientFrame(0x80|byte(websocket.MessageText), []byte(ping)), batch)
			pong := len(`{"event":"pusher:pong","data":"{}"}`) + 2
			pongs := make([]byte, batch*pong)
			greeting := make([]byte, 1<<10)
			if _, err := nc.Read(greeting); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				go func() { _, _ = nc.Write(pings) }()
				if _, err := io.ReadFull(nc, pongs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
