package caddymodule

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub/webhooks"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// The words of the blocks that set one field.
var (
	webhookOptions  = optionsOf[webhooks.Config]("endpoints")
	endpointOptions = optionsOf[webhooks.Endpoint]("url", "filter", "headers")
	filterOptions   = optionsOf[webhooks.Filter]()
	endpointWords   = slices.Concat(slices.Sorted(maps.Keys(endpointOptions)), slices.Sorted(maps.Keys(filterOptions)), []string{"header"})
)

// UnmarshalCaddyfile sets up the plugin from Caddyfile tokens. Syntax:
//
//	webhooks <url> | site <path>
//
//	webhooks {
//		endpoint <url> | site <path> [{
//			event_types <names...>
//			channel_name_starts_with <text>
//			channel_name_ends_with   <text>
//			header <name> <value>
//		}]
//		batch [on|off]
//		batch_size   <number>|unlimited
//		batch_window <duration>|off
//		hold         <duration>|off
//		timeout      <duration>
//		retry_for    <duration>|off
//		max_queue    <size>|unlimited
//		spool        <directory>
//		spool_size   <size>|unlimited
//		allow_private <hosts, addresses or networks...>
//		site_host    <host>
//	}
//
// The first form has one endpoint and, as everything that is not set, defaults. `site` stands for the site itself: a request to it goes
// through its handlers, but through no network.
func (w *Webhooks) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the plugin's name
	word := d.Val()
	args := d.RemainingArgs()
	if len(args) > 0 {
		url, err := endpointURL(d, word, args)
		if err != nil {
			return err
		}
		w.Endpoints = []webhooks.Endpoint{{URL: url}}
		if line := strings.Join(args, " "); d.NextBlock(d.Nesting()) {
			return d.Errf("%s %s: found a block, expected the end of the line: options stand in %s { endpoint %s ... }", word, line, word, line)
		}
		return nil
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() == "endpoint" {
			e, err := unmarshalEndpoint(d)
			if err != nil {
				return err
			}
			w.Endpoints = append(w.Endpoints, e)
			continue
		}
		if err := seen.add(d); err != nil {
			return err
		}
		index, ok := webhookOptions[d.Val()]
		switch {
		case ok:
			if err := setOption(d, reflect.ValueOf(&w.Config).Elem().Field(index)); err != nil {
				return err
			}
		case d.Val() == "site_host":
			var err error
			if w.SiteHost, err = oneArg(d, "a host such as app.example.com"); err != nil {
				return err
			}
		case slices.Contains(endpointWords, d.Val()):
			return d.Errf("%s: found beside the endpoints, expected inside of one: endpoint <url> { %s ... }", d.Val(), d.Val())
		default:
			return unknownWord(d, "option of "+word, append(slices.Sorted(maps.Keys(webhookOptions)), "endpoint", "site_host"))
		}
	}
	if len(w.Endpoints) == 0 {
		return d.Errf("%s: found no endpoint, expected a URL, or site and a path, behind the word or in lines endpoint", word)
	}
	return nil
}

// unmarshalEndpoint reads one endpoint.
func unmarshalEndpoint(d *caddyfile.Dispenser) (e webhooks.Endpoint, err error) {
	word := d.Val()
	if e.URL, err = endpointURL(d, word, d.RemainingArgs()); err != nil {
		return e, err
	}
	seen := make(seenWords)
	var filter webhooks.Filter
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() == "header" {
			args := d.RemainingArgs()
			if len(args) != 2 {
				return e, d.Errf("header: found %d values, expected a name and a value", len(args))
			}
			if err := seen.addAs(d, "header "+args[0]); err != nil {
				return e, err
			}
			if e.Headers == nil {
				e.Headers = make(map[string]string)
			}
			e.Headers[args[0]] = args[1]
			if err := noBlock(d, "header"); err != nil {
				return e, err
			}
			continue
		}
		if err := seen.add(d); err != nil {
			return e, err
		}
		var field reflect.Value
		if index, ok := endpointOptions[d.Val()]; ok {
			field = reflect.ValueOf(&e).Elem().Field(index)
		} else if index, ok := filterOptions[d.Val()]; ok {
			field, e.Filter = reflect.ValueOf(&filter).Elem().Field(index), &filter
		} else {
			return e, unknownWord(d, "option of endpoint", endpointWords)
		}
		if err := setOption(d, field); err != nil {
			return e, err
		}
	}
	return e, nil
}

// endpointURL returns the URL that the values behind a word stand for.
func endpointURL(d *caddyfile.Dispenser, word string, args []string) (string, error) {
	const expected = "a URL such as https://app.example.com/webhook, or site and a path"
	switch {
	case len(args) == 0:
		return "", d.Errf("%s: found nothing, expected %s", word, expected)
	case len(args) == 1 && (strings.Contains(args[0], "://") || placeholder.MatchString(args[0])):
		return args[0], nil
	case len(args) == 2 && args[0] == "site" && strings.HasPrefix(args[1], "/"):
		return siteScheme + args[1], nil
	}
	return "", d.Errf("%s: found %q, expected %s", word, strings.Join(args, " "), expected)
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Webhooks)(nil)
