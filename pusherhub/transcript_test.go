package pusherhub_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// TestReverbTranscripts replays what clients said to a real Reverb (testdata/reverb) and compares the
// answers, frame by frame. Where the hub answers otherwise, transcriptDifferences says so and why; everything else is equal.
func TestReverbTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/reverb/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no transcripts: %v", err)
	}
	differences := differencesByStep(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			recorded := readTranscript(t, file)
			mine := differences[name]
			delete(differences, name)
			synctest.Test(t, func(t *testing.T) { newReplay(t, recorded, mine).run() })
		})
	}
	if len(differences) > 0 {
		t.Errorf("there are differences for transcripts that do not exist: %v", differences)
	}
}

// transcript is a recorded session.
type transcript struct {
	Recorded time.Time
	Steps    []transcriptStep
}

// transcriptStep is what somebody did (open, send, close-by-client, http) or what came of it (upgraded, recv, closed).
type transcriptStep struct {
	MS      int
	Conn    string
	Dir     string
	Path    string // open
	Text    string
	Control string // ping or pong instead of a text frame
	Binary  bool
	Code    int // closed
	Reason  string

	Request struct {
		Method, Target, Body string
		Headers              []string
	}
	Response struct {
		Status  int
		Headers []string
		Body    string
	}
}

func readTranscript(t *testing.T, file string) (recorded transcript) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return recorded
}

// moment is one action, or a while of waiting, with all that came of it.
type moment struct {
	action  int // the step's number; of the first outcome if time passing was the action
	outcome []int
}

// moments groups the steps. An event's delivery was noted before the answer to the request that published it, in the same
// millisecond or the one before.
func (recorded transcript) moments() (list []moment) {
	steps := recorded.Steps
	const sameTime, byItself = 10, 1500 // milliseconds
	var early []int
	for i, step := range steps {
		switch step.Dir {
		case "open", "send", "close-by-client", "http":
			m := moment{action: i}
			if step.Dir == "http" {
				m.outcome = append(early, i)
			}
			list = append(list, m)
			early = nil
			continue
		case "note":
			continue
		}
		next := slices.IndexFunc(steps[i:], func(s transcriptStep) bool { return s.Dir != "recv" && s.Dir != "closed" })
		last := &list[len(list)-1]
		switch {
		case next > 0 && steps[i+next].Dir == "http" && steps[i+next].MS-step.MS < sameTime && step.MS-steps[last.action].MS > sameTime:
			early = append(early, i)
		case step.MS-steps[last.action].MS > byItself:
			list = append(list, moment{action: i, outcome: []int{i}})
		default:
			last.outcome = append(last.outcome, i)
		}
	}
	return list
}

// replay is a session with the hub that follows a transcript. Its clock starts when the recording did, so recorded
// requests are fresh and their signatures good.
type replay struct {
	t           *testing.T
	recorded    transcript
	differences map[int]transcriptDifference
	start       time.Time
	handler     http.Handler
	conns       map[string]*replayConn
}

func newReplay(t *testing.T, recorded transcript, differences map[int]transcriptDifference) *replay {
	t.Helper()
	<-time.After(time.Until(recorded.Recorded))
	server := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: transcriptApps(t)})
	site := pusherhub.Site{ReverbUp: true}
	return &replay{
		t: t, recorded: recorded, differences: differences, start: time.Now(), conns: make(map[string]*replayConn),
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !server.Hub.Serve(w, r, site) {
				server.Hub.ServeHTTP(w, r) // 404
			}
		}),
	}
}

func (p *replay) run() {
	for _, m := range p.recorded.moments() {
		step := p.recorded.Steps[m.action]
		<-time.After(time.Until(p.start.Add(time.Duration(step.MS) * time.Millisecond)))
		answer := ""
		switch step.Dir {
		case "open":
			p.open(step)
		case "send":
			p.send(step)
		case "close-by-client":
			p.conns[step.Conn].try(hubtest.OpEnd, hubtest.ClosePayload(1000, ""))
		case "http":
			answer = p.request(step)
		}
		synctest.Wait()
		p.compare(m, answer)
	}
	for _, c := range p.conns {
		_ = c.raw.Close()
	}
	for number, d := range p.differences {
		p.t.Errorf("step %d: the difference %q (%s) was not looked at: there is no such step", number, d.ours, d.rule)
	}
}

// compare checks what came of a moment, for each connection in order.
func (p *replay) compare(m moment, answer string) {
	p.t.Helper()
	expected := make(map[string][]string)
	steps := m.outcome
	if !slices.Contains(steps, m.action) {
		steps = append(slices.Clone(steps), m.action)
	}
	for _, number := range steps {
		step := p.recorded.Steps[number]
		theirs := step.outcome()
		ours := theirs
		if d, differs := p.differences[number]; differs {
			delete(p.differences, number)
			if ours = slices.Clone(d.ours); slices.Equal(normalAll(ours), normalAll(theirs)) {
				p.t.Errorf("step %d: %q is no difference (%s)", number, ours, d.rule)
			}
		}
		for _, text := range ours {
			name, other, elsewhere := strings.Cut(text, "< ")
			if p.conns[name] == nil || !elsewhere {
				name, other = step.Conn, text
			}
			expected[name] = append(expected[name], other)
		}
	}
	found := map[string][]string{}
	if answer != "" {
		found[""] = []string{answer}
	}
	for name, c := range p.conns {
		found[name] = p.asRecorded(c.take())
	}
	for name := range p.allConns(expected) {
		if got, want := normalAll(found[name]), normalAll(expected[name]); !slices.Equal(got, want) {
			p.t.Errorf("step %d (%.200s), connection %q:\nfound    %s\nexpected %s", m.action, p.recorded.Steps[m.action].Text,
				name, strings.Join(got, "\n         "), strings.Join(want, "\n         "))
		}
	}
}

func (p *replay) allConns(expected map[string][]string) map[string]bool {
	names := map[string]bool{"": true}
	for name := range expected {
		names[name] = true
	}
	for name := range p.conns {
		names[name] = true
	}
	return names
}

// outcome is a step as the replay writes down what it sees.
func (s transcriptStep) outcome() []string {
	switch s.Dir {
	case "recv":
		if s.Control != "" {
			return []string{s.Control + " " + s.Text}
		}
		return []string{s.Text}
	case "closed":
		return []string{fmt.Sprintf("closed %d %s", s.Code, s.Reason)}
	case "upgraded":
		return []string{"upgraded"}
	case "http":
		allow := ""
		for _, line := range s.Response.Headers {
			if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "allow") {
				allow = "(Allow: " + strings.TrimSpace(value) + ") "
			}
		}
		return []string{fmt.Sprintf("%d %s%s", s.Response.Status, allow, s.Response.Body)}
	}
	return nil
}

// request sends a recorded request. One that names a socket gets the new socket's id and is signed anew.
func (p *replay) request(step transcriptStep) string {
	p.t.Helper()
	target, body := step.Request.Target, step.Request.Body
	for _, c := range p.conns {
		if strings.Contains(body, c.recordedID) {
			body = strings.ReplaceAll(body, c.recordedID, c.id)
			target = resignTarget(p.t, step, body)
		}
	}
	text := step.Request.Method + " " + target + " HTTP/1.1\r\n" + strings.Join(step.Request.Headers, "\r\n") + "\r\n\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		p.t.Fatalf("reading the recorded request %s: %v", target, err)
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	allow := ""
	if w.Header().Get("Allow") != "" {
		allow = "(Allow: " + w.Header().Get("Allow") + ") "
	}
	return fmt.Sprintf("%d %s%s", w.Code, allow, w.Body)
}

// normalAll brings frames and answers into one form: members in order, JSON in strings decoded but marked.
func normalAll(list []string) (out []string) {
	for _, text := range list {
		status, rest := "", text
		if at := strings.IndexByte(text, ' '); at == 3 {
			status, rest = text[:4], text[4:]
		}
		out = append(out, status+cmp.Or(normalJSON(rest), rest))
	}
	return out
}

func normalJSON(text string) string {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil || decoder.More() {
		return ""
	}
	if frame, ok := value.(map[string]any); ok {
		if data, ok := frame["data"].(string); ok && normalJSON(data) != "" {
			frame["data"] = "string: " + normalJSON(data)
		}
	}
	out, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(out)
}
