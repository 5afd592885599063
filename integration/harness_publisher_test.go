package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// publishing carries the requests of publishers.
var publishing = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// publisher publishes numbered events on one node: "<name>:<number>:<padding>", counted for each channel. It belongs to one goroutine.
type publisher struct {
	name string
	at   *node
	pad  string

	sent map[string]int // by channel: the next number
}

func newPublisher(name string, at *node) *publisher {
	return &publisher{name: name, at: at, sent: make(map[string]int)}
}

// publish publishes the next event on a channel, for all but the socket except. The number counts if the hub has taken it.
func (p *publisher) publish(channel, except string) (number int, err error) {
	number = p.sent[channel]
	event := map[string]string{"name": numbered, "channel": channel, "data": fmt.Sprintf("%s:%d:%s", p.name, number, p.pad)}
	if except != "" {
		event["socket_id"] = except
	}
	body, err := json.Marshal(event)
	if err != nil {
		return number, err
	}
	if _, err := ask(p.at.apiURL(), http.MethodPost, "/events", body); err != nil {
		return number, err
	}
	p.sent[channel]++
	return number, nil
}

// ask sends a signed request to an HTTP API and returns the answer to a 200.
func ask(base, method, path string, body []byte) (string, error) {
	api := hubtest.At(nil, base, pusherhub.AppConfig{ID: appID, Key: appKey, Secret: appSecret})
	name, query, _ := strings.Cut(path, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest(method, api.SignedURL(method, "/apps/"+appID+name, string(body), params), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	res, err := publishing.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: found %d %s, expected 200", method, path, res.StatusCode, text)
	}
	return string(text), err
}

// get asks the node's HTTP API; what is wrong is in the answer.
func (n *node) get(path string) string {
	text, err := ask(n.apiURL(), http.MethodGet, path, nil)
	if err != nil {
		return err.Error()
	}
	return text
}

// users asks the node for the users of a presence channel.
func (n *node) users(channel string) (ids map[string]bool) {
	text, err := ask(n.apiURL(), http.MethodGet, "/channels/"+channel+"/users", nil)
	var answer struct {
		Users []struct {
			ID string `json:"id"`
		} `json:"users"`
	}
	if err != nil || json.Unmarshal([]byte(text), &answer) != nil {
		return nil
	}
	ids = make(map[string]bool)
	for _, u := range answer.Users {
		ids[u.ID] = true
	}
	return ids
}
