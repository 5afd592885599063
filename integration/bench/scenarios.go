//go:build linux

package main

// scenario is one of the benchmark's questions.
type scenario struct {
	name  string
	about string
	run   func(*bench) error
}

// scenarios in the order in which they run and are reported.
var scenarios = []scenario{
	{"idle", "memory per subscribed socket that is silent", runIdle},
	{"fanout", "one channel, many subscribers", runFanout},
	{"publish", "requests to the HTTP API, one subscriber each", runPublish},
	{"latency", "from publish to receive, 1,000 subscribers", runLatency},
	{"churn", "connect, subscribe, disconnect", runChurn},
	{"presence", "join and leave", runPresence},
	{"client", "client events among 1,000 subscribers", runClient},
	{"many", "100,000 channels with few subscribers each", runMany},
	{"slow", "1 % of the subscribers never read", runSlow},
	{"cluster", "several nodes against one", runCluster},
}

func scenarioNames() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}
