package nats

import (
	"net"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// servers holds the embedded servers of the process by what they were made of. A broker that is exchanged by a reload, and hubs
// that ask for the same, use the same one: a port can be listened at once only.
var servers = caddy.NewUsagePool()

// pooledServer is a server that ends with its last user.
type pooledServer struct {
	*server
}

// Destruct ends the server.
func (p pooledServer) Destruct() error {
	p.stop()
	return nil
}

// acquire returns the server of that config, which runs or begins to, and takes a reference that release gives back.
func acquire(config *Embed, log *zap.Logger) (*server, error) {
	s, _, err := servers.LoadOrNew(config.key(), func() (caddy.Destructor, error) {
		s, err := startServer(*config, net.DefaultResolver, log)
		return pooledServer{s}, err
	})
	if err != nil {
		return nil, err
	}
	return s.(pooledServer).server, nil
}

// release gives a reference back. The last one ends the server.
func release(config *Embed) error {
	_, err := servers.Delete(config.key())
	return err
}
