package natsbroker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/cluster/enginetest"
)

// TestLogin connects in each way that there is to say who one is, and is refused without, by an error that has no secret in it.
func TestLogin(t *testing.T) {
	const secret = "pa55-w0rd"
	for name, with := range map[string]struct {
		server func(*testing.T, *server.Options) (login Options)
		wrong  Options
	}{
		"user and password": {
			func(_ *testing.T, o *server.Options) Options {
				o.Username, o.Password = "hub", secret
				return Options{User: "hub", Password: secret}
			}, Options{User: "hub", Password: secret + "x"},
		},
		"user and password of the URL": {
			func(_ *testing.T, o *server.Options) Options {
				o.Username, o.Password = "hub", secret
				return Options{Servers: []string{"hub:" + secret + "@"}}
			}, Options{Servers: []string{"hub:" + secret + "x@"}},
		},
		"token": {
			func(_ *testing.T, o *server.Options) Options { o.Authorization = secret; return Options{Token: secret} },
			Options{Token: secret + "x"},
		},
		"NKey": {
			func(t *testing.T, o *server.Options) Options {
				user := newKeys(t, nkeys.CreateUser)
				o.Nkeys = []*server.NkeyUser{{Nkey: user.public}}
				return Options{NKeyFile: newFile(t, user.seed)}
			}, Options{},
		},
		"credentials": {
			func(t *testing.T, o *server.Options) Options {
				return Options{CredentialsFile: newFile(t, withOperator(t, o))}
			},
			Options{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var login Options
			s := startServer(t, func(o *server.Options) { login = with.server(t, o) })
			for _, o := range []*Options{&login, &with.wrong} {
				to := s.broker("login")
				if o.Servers != nil { // its user
					to.Servers = []string{strings.Replace(s.url(), "://", "://"+o.Servers[0], 1)}
				}
				to.User, to.Password, to.Token, to.NKeyFile, to.CredentialsFile = o.User, o.Password, o.Token, o.NKeyFile, o.CredentialsFile
				*o = to
			}
			a, b := newMember(t, login, nil, "a"), newMember(t, login, nil, "b")
			a.enter()
			b.enter()
			a.hold("x", 1)
			b.hold("x", 2)
			if says := openMember(t, with.wrong, nil, "wrong").expectRefused("Authorization Violation"); strings.Contains(says, secret) {
				t.Errorf("the secret is in %s", says)
			}
		})
	}
}

type keys struct {
	nkeys.KeyPair

	public string
	seed   []byte
}

func newKeys(t *testing.T, create func() (nkeys.KeyPair, error)) (k keys) {
	t.Helper()
	var err error
	if k.KeyPair, err = create(); err != nil {
		t.Fatal(err)
	}
	if k.public, err = k.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if k.seed, err = k.Seed(); err != nil {
		t.Fatal(err)
	}
	return k
}

// withOperator makes it a server of an operator with one account, as NATS' cloud is, and returns the credentials of a user.
func withOperator(t *testing.T, o *server.Options) (credentials []byte) {
	t.Helper()
	operator, account, user := newKeys(t, nkeys.CreateOperator), newKeys(t, nkeys.CreateAccount), newKeys(t, nkeys.CreateUser)
	resolver := new(server.MemAccResolver)
	accountJWT, err := jwt.NewAccountClaims(account.public).Encode(operator)
	if err == nil {
		err = resolver.Store(account.public, accountJWT)
	}
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewOperatorClaims(operator.public)
	if _, err := claims.Encode(operator); err != nil {
		t.Fatal(err)
	}
	o.TrustedOperators, o.AccountResolver = []*jwt.OperatorClaims{claims}, resolver
	userJWT, err := jwt.NewUserClaims(user.public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	if credentials, err = jwt.FormatUserConfig(userJWT, user.seed); err != nil {
		t.Fatal(err)
	}
	return credentials
}

func newFile(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTLS connects by TLS to servers that want the client's certificate, too, and is refused without one, or if it does not know who has signed the server's.
func TestTLS(t *testing.T) {
	for name, first := range map[string]bool{"after the server has spoken": false, "at once": true} {
		t.Run(name, func(t *testing.T) {
			s, of := startTLS(t, first)
			with := func(tls cluster.TLS) Options {
				o := s.broker("tls")
				o.TLS = &TLS{TLS: tls, First: first}
				return o
			}
			a, b := newMember(t, with(of.TLS()), nil, "a"), newMember(t, with(cluster.TLS{CertFile: of.Cert, KeyFile: of.Key, Insecure: true}), nil, "b")
			a.enter()
			b.enter()
			a.hold("x", 1)
			b.hold("x", 2)
			openMember(t, with(cluster.TLS{CertFile: of.Cert, KeyFile: of.Key}), nil, "strict").expectRefused("certificate signed by unknown authority")
			openMember(t, with(cluster.TLS{CAFile: of.CA}), nil, "nameless").expectRefused("certificate required")

			// a certificate that is renewed counts at the next connect
			own := enginetest.NewCertificates(t, t.TempDir())
			renewed := openMember(t, with(own.TLS()), nil, "renewed")
			renewed.expectRefused("certificate signed by unknown authority")
			for to, from := range map[string]string{own.CA: of.CA, own.Cert: of.Cert, own.Key: of.Key} {
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			}
			renewed.expectUp()
		})
	}
}

// startTLS starts a server that takes TLS only, and from clients with a certificate of the same authority.
func startTLS(t *testing.T, first bool) (*natsServer, enginetest.Certificates) {
	t.Helper()
	of := enginetest.NewCertificates(t, t.TempDir())
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: of.Cert, KeyFile: of.Key, CaFile: of.CA, Verify: true, Timeout: 2})
	if err != nil {
		t.Fatal(err)
	}
	return startServer(t, func(o *server.Options) {
		o.TLS, o.TLSVerify, o.TLSConfig, o.TLSTimeout, o.TLSHandshakeFirst = true, true, config, 2, first
	}), of
}
