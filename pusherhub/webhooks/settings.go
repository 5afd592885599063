package webhooks

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// settings are the checked form of a [Config], with its defaults. They are immutable.
type settings struct {
	targets   []*target // in the order of the config, each URL once
	byURL     map[string]*target
	batchSize int
	window    time.Duration // 0: none
	hold      time.Duration // 0: none
	timeout   time.Duration
	retryFor  time.Duration // 0: one try
	maxQueue  int64         // 0: no bound
	spool     string
	spoolSize int64 // 0: no bound
	log       *zap.Logger
}

// target is an endpoint: all entries of the config with one URL.
type target struct {
	url       string
	name      string // for logs: the URL without what may be secret
	user      *url.Userinfo
	rules     []rule
	headers   map[string]string
	transport http.RoundTripper
}

// minSpoolSize is the least bound of a spool that leaves it room to work.
const minSpoolSize = 1 << 20

// newSettings checks cfg. The error names every option that is wrong.
func newSettings(cfg Config) (*settings, error) {
	s := &settings{
		byURL:     make(map[string]*target),
		batchSize: int(orDefault(cfg.BatchSize, 100)),
		window:    duration(cfg.BatchWindow, 50*time.Millisecond),
		hold:      duration(cfg.Hold, 3*time.Second),
		timeout:   duration(cfg.Timeout, 10*time.Second),
		retryFor:  duration(cfg.RetryFor, 5*time.Minute),
		maxQueue:  max(0, int64(orDefault(cfg.MaxQueue, 8<<20))),
		spool:     cfg.Spool,
		spoolSize: max(0, int64(orDefault(cfg.SpoolSize, 256<<20))),
		log:       cfg.Logger,
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if s.spool != "" {
		s.spool = filepath.Clean(s.spool)
	}
	if s.batchSize < 0 {
		s.batchSize = math.MaxInt
	}
	if cfg.Batch != nil && !*cfg.Batch {
		s.batchSize, s.window = 1, 0
	}
	var wrong []error
	for _, bound := range []struct {
		word  string
		found int64
	}{{"batch_size", int64(cfg.BatchSize)}, {"max_queue", int64(cfg.MaxQueue)}, {"spool_size", int64(cfg.SpoolSize)}} {
		if bound.found < pusherhub.Unlimited {
			wrong = append(wrong, fmt.Errorf("%s: found %d, expected a positive number or unlimited (-1)", bound.word, bound.found))
		}
	}
	if cfg.SpoolSize > 0 && cfg.SpoolSize < minSpoolSize {
		wrong = append(wrong, fmt.Errorf("spool_size: found %d bytes, expected at least %d (1 MiB)", cfg.SpoolSize, minSpoolSize))
	}
	if s.timeout == 0 {
		wrong = append(wrong, errors.New(`timeout: found "off", expected a positive duration`))
	}
	if len(cfg.Endpoints) == 0 {
		wrong = append(wrong, errors.New("endpoints: found none, expected one or more"))
	}
	for i, e := range cfg.Endpoints {
		if err := s.add(cfg, e); err != nil {
			wrong = append(wrong, fmt.Errorf("endpoint %d: %w", i+1, err))
		}
	}
	return s, errors.Join(wrong...)
}

// add takes one entry of the config.
func (s *settings) add(cfg Config, e Endpoint) error {
	t, err := newTarget(cfg, e)
	if err != nil {
		return err
	}
	known := s.byURL[e.URL]
	switch {
	case known == nil:
		s.targets = append(s.targets, t)
		s.byURL[e.URL] = t
	case maps.Equal(known.headers, t.headers):
		known.rules = append(known.rules, t.rules...)
	default:
		return fmt.Errorf("headers: found others than those of an endpoint before it with the url %s, expected the same", t.name)
	}
	return nil
}

func newTarget(cfg Config, e Endpoint) (*target, error) {
	t := &target{url: e.URL, rules: []rule{newRule(e)}, headers: make(map[string]string)}
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil, errors.New("url: found what is no URL, expected https://… or site:/path") // err may show a password
	}
	t.name, t.user = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), u.User
	switch {
	case u.Scheme == "site" && strings.HasPrefix(e.URL, "site:/") && u.Host == "":
		if t.transport = cfg.Site; t.transport == nil {
			return nil, fmt.Errorf("url: found %q, expected https://…, because there is no site here to send it to", t.name)
		}
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		if t.transport = cfg.Transport; t.transport == nil {
			t.transport = plainTransport
		}
	default:
		return nil, fmt.Errorf("url: found %q, expected https://… or site:/path", t.name)
	}
	for _, name := range e.EventTypes {
		if !slices.Contains(pusherEvents, name) && !slices.Contains(furtherEvents, name) {
			return nil, fmt.Errorf("event_types: found %q, expected one of %s", name, strings.Join(slices.Concat(pusherEvents, furtherEvents), ", "))
		}
	}
	for name, value := range e.Headers {
		if err := checkHeader(name, value); err != nil {
			return nil, fmt.Errorf("headers: %w", err)
		}
		canonical := http.CanonicalHeaderKey(name)
		if _, twice := t.headers[canonical]; twice {
			return nil, fmt.Errorf("headers: found %s twice, expected each name once, be it in capitals or not", canonical)
		}
		t.headers[canonical] = value
	}
	return t, nil
}

// fixedHeaders are those that a config cannot set.
var fixedHeaders = []string{
	"Content-Type", headerKey, headerSignature,
	"Connection", "Content-Length", "Host", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// checkHeader refuses what cannot stand in a request. The error does not show the value: it may be secret.
func checkHeader(name, value string) error {
	isToken := func(r rune) bool {
		return r < 0x7f && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }):
		return fmt.Errorf("found the name %q, expected one of letters, digits and dashes", name)
	case slices.Contains(fixedHeaders, http.CanonicalHeaderKey(name)):
		return fmt.Errorf("found %s, expected others than %s, which are fixed", name, strings.Join(fixedHeaders, ", "))
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("found a control character in the value of %s, expected none", name)
	}
	return nil
}

// plainTransport carries requests when the config brings no transport. As a transport, it follows no redirects.
var plainTransport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second}

// orDefault returns v if it is set.
func orDefault[T pusherhub.Limit | pusherhub.Size](v, unset T) T {
	if v == 0 {
		return unset
	}
	return v
}

// duration returns d if it is set, and 0 if it is off.
func duration(d pusherhub.Duration, unset time.Duration) time.Duration {
	if d == 0 {
		return unset
	}
	return max(0, time.Duration(d))
}
