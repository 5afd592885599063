package phpfpm

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// account is who PHP and the workers run as if Caddy is root.
type account struct {
	User, Group string
	UID, GID    uint32
	Groups      []uint32
	Home        string
}

// findAccount returns the account of that name, or nil if Caddy is not root and everything runs as Caddy itself.
func findAccount(name, group string) (*account, error) {
	if os.Geteuid() != 0 {
		if name == "" && group == "" {
			return nil, nil
		}
		if me, err := user.Current(); err == nil && name == me.Username && group == "" {
			return nil, nil
		}
		return nil, errors.New("user: only root can choose another account, and this Caddy is not root: leave out 'user' and 'group'")
	}

	byDefault := name == ""
	if byDefault {
		name = "www-data"
	}
	u, err := user.Lookup(name)
	if err != nil && byDefault {
		return nil, errors.New("found no account www-data, which PHP runs as if Caddy is root: name another one with 'user <name>'")
	}
	if err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
		u.Gid = g.Gid
	}
	a := &account{User: u.Username, Group: group, Home: u.HomeDir}
	if a.UID, err = number(u.Uid); err != nil {
		return nil, err
	}
	if a.GID, err = number(u.Gid); err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("finding the groups of %s: %w", name, err)
	}
	for _, id := range ids {
		n, err := number(id)
		if err != nil {
			return nil, err
		}
		a.Groups = append(a.Groups, n)
	}
	return a, nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("reading the id of an account: %w", err)
	}
	return uint32(n), nil
}
