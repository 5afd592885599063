package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseApp(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{
			"our own words",
			`{"id":"a","key":"k","secret":"s","previous_secrets":["old"],"compat":"pusher","max_connections":-1,"enabled":false,"activity_timeout":"40s",
			  "rate_limiting":{"max_attempts":5,"decay":"10s"},"plugins":[{"plugin":"shout","mark":"!"}]}`,
			`{"id":"a","key":"k","secret":"s","previous_secrets":["old"],"enabled":false,"compat":"pusher","activity_timeout":"40s","max_connections":-1,"rate_limiting":{"max_attempts":5,"decay":"10s"},"plugins":[{"plugin":"shout","mark":"!"}]}`,
		},
		{
			"as in the Caddyfile, and as in a table",
			`{"id":"a","max_connections":"unlimited","max_subscriptions":"unlimited","max_batch":"7","max_message_size":"64KB","max_queue":"70000","watchlist":"on","tls_only":0,"text_ping":"1","enabled":"off"}`,
			`{"id":"a","enabled":false,"tls_only":false,"text_ping":true,"max_connections":-1,"max_subscriptions":-1,"max_message_size":64000,"max_batch":7,"watchlist":true,"max_queue":70000}`,
		},
		{"null is not set", `{"id":"a","max_connections":null,"plugins":null}`, `{"id":"a"}`},
		{
			"soketi's array",
			`{"id":"a","key":"k","secret":"s","maxConnections":"200","enableClientMessages":true,"enabled":true,"maxBackendEventsPerSecond":50,
			  "maxClientEventsPerSecond":7,"maxReadRequestsPerSecond":9,"maxPresenceMembersPerChannel":30,"maxPresenceMemberSizeInKb":0.5,
			  "maxChannelNameLength":60,"maxEventChannelsAtOnce":5,"maxEventNameLength":80,"maxEventPayloadInKb":100,"maxEventBatchSize":12,
			  "enableUserAuthentication":true,"webhooks":[
			    {"url":"https://a.test/h","event_types":["channel_occupied"],"headers":{"X-A":"1"},"filter":{"channel_name_starts_with":"private-"}},
			    {"url":"https://a.test/none","event_types":[]}]}`,
			`{"id":"a","key":"k","secret":"s","enabled":true,"max_connections":200,"max_event_data":102400,"max_channels_per_event":5,"max_batch":12,` +
				`"max_channel_name_length":60,"max_presence_members":30,"max_member_bytes":512,"accept_client_events_from":"members",` +
				`"max_client_events_per_second":7,"user_authentication":true,"plugins":[{"per_app":{"publishes":50},"plugin":"rate_limit"},` +
				`{"endpoints":[{"event_types":["channel_occupied"],"filter":{"channel_name_starts_with":"private-"},"headers":{"X-A":"1"},"url":"https://a.test/h"}],"plugin":"webhooks"}]}`,
		},
		{
			"soketi's table",
			`{"id":"a","key":"k","secret":"s","max_connections":-1,"enable_client_messages":0,"enabled":1,"max_backend_events_per_sec":-1,
			  "max_client_events_per_sec":-1,"max_read_req_per_sec":-1,"max_presence_members_per_channel":null,"max_event_payload_in_kb":-1,
			  "enable_user_authentication":"0","webhooks":"[]"}`,
			`{"id":"a","key":"k","secret":"s","enabled":true,"max_connections":-1,"max_event_data":-1,"accept_client_events_from":"none","max_client_events_per_second":-1,"user_authentication":false}`,
		},
		{
			"config/reverb.php",
			`{"app_id":"a","key":"k","secret":"s","options":{"host":"h","port":443,"scheme":"https","useTLS":true},"allowed_origins":["*"],"ping_interval":60,
			  "activity_timeout":30,"max_connections":null,"max_message_size":10000,"accept_client_events_from":"members",
			  "rate_limiting":{"enabled":true,"max_attempts":60,"decay_seconds":90,"terminate_on_limit":true}}`,
			`{"id":"a","key":"k","secret":"s","allowed_origins":["*"],"activity_timeout":"30s","ping_interval":"1m0s","max_message_size":10000,` +
				`"accept_client_events_from":"members","rate_limiting":{"max_attempts":60,"decay":"1m30s","terminate_on_limit":true}}`,
		},
		{"Reverb's limiter off", `{"app_id":"a","rate_limiting":{"enabled":false,"max_attempts":60}}`, `{"id":"a"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app, err := ParseApp([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(app)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("found\n%s\nexpected\n%s", got, tc.want)
			}
		})
	}
}

func TestParseAppSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`{"id":"a","max_conections":5}`, `unknown option "max_conections"; did you mean "max_connections"?`},
		{`{"id":"a","secret":12345678}`, "secret: found a JSON number, expected string"},
		{`{"id":"a","ping_interval":"soon"}`, `expected text such as "30s"`},
		{`{"tls_only":2}`, "tls_only: found 2, expected true or false"},
		{`{"max_batch":"few"}`, `max_batch: found "few", expected a positive whole number or unlimited`},
		{`{"max_queue":"64XB"}`, `max_queue: found "64XB", expected a size such as 64KB`},
		{`{"allowed_origins":"a.test"}`, "allowed_origins: found a JSON string, expected a list"},
		{`[1]`, "found a list, expected a JSON object"},
		{``, "found nothing, expected a JSON object"},
		{`{"id":`, "unexpected end of JSON input"},
		{`{"max_connections":0}`, "max_connections: found 0, expected a positive whole number, or -1 for unlimited"},
		{`{"max_connections":"many"}`, `max_connections: found "many", expected a number`},
		{`{"enabled":"perhaps"}`, "enabled: found"},
		{`{"max_event_payload_in_kb":-2}`, "expected a number of kilobytes"},
		{`{"webhooks":[{"lambda_function":"f","event_types":["x"]}]}`, "AWS Lambda is not supported"},
		{`{"webhooks":{"url":"x"}}`, "webhooks: found an object, expected a list"},
		{`{"app_id":"a","ping_interval":-5}`, "ping_interval: found -5, expected a number of seconds"},
	} {
		_, err := ParseApp([]byte(tc.text))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "'", `"`), tc.want) {
			t.Errorf("%s: found error %v, expected %s", tc.text, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "12345678") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}
