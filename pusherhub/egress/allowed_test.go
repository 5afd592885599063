package egress

import "testing"

func TestAllowedHosts(t *testing.T) {
	a, err := parseAllowed([]string{"*.Railway.internal", "hooks.example", "web_1"})
	if err != nil {
		t.Fatal(err)
	}
	for host, expected := range map[string]bool{
		"php.railway.internal":      true,
		"a.b.railway.internal":      true,
		"PHP.RAILWAY.INTERNAL.":     true,
		"railway.internal":          false,
		".railway.internal":         false,
		"evilrailway.internal":      false,
		"php.railway.internal.evil": false,
		"hooks.example":             true,
		"www.hooks.example":         false,
		"web_1":                     true,
	} {
		if got := a.host(host); got != expected {
			t.Errorf("%s: expected %v, got %v", host, expected, got)
		}
	}
}

// What a public name resolves to has to be let through, also where a NAT64 gateway is the only way to it.
func TestPublicAddresses(t *testing.T) {
	d := dialerFor(t)
	for _, address := range []string{"93.184.215.14:443", "[2606:2800:21f:cb07::1]:443", "[64:ff9b::5db8:d70e]:443", "[::ffff:93.184.215.14]:80"} {
		if err := d.check("example.com", address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAllowedNAT64(t *testing.T) {
	for _, allow := range []string{"10.0.0.5", "64:ff9b::/96", "64:ff9b::a00:5"} {
		if err := dialerFor(t, allow).check("db.internal", "[64:ff9b::a00:5]:80"); err != nil {
			t.Errorf("with %s allowed: %v", allow, err)
		}
	}
}

func dialerFor(t *testing.T, allow ...string) dialer {
	t.Helper()
	d, err := newDialer(allow)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
