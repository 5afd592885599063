package redisbroker

import "github.com/onecharge/pusherhub/pusherhub/cluster"

// New makes a broker for one hub. It connects to nobody before it is opened. Errors name the option in the Caddyfile's words.
func New(o Options) (*cluster.Broker, error) {
	engine, err := NewEngine(o)
	if err != nil {
		return nil, err
	}
	o.Broker.Name = "redis"
	return cluster.New(engine, o.Broker), nil
}
