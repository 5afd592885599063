package caddymodule

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(FileApps{})
}

// FileApps is the app source `file`: a JSON or YAML file, or a directory of them. A file holds one app, a list of apps, or a
// list under the word `apps`; an app has the words of the Caddyfile (see [ParseApp]). Placeholders are not resolved in it.
//
// The files are read again every now and then. Apps that were added, changed, disabled or removed take effect on open
// sockets. What cannot be read, or is no list of apps, or has an id or a key twice, changes nothing and is reported in the log and in
// the metrics; so does a directory that has lost all of its files. A change takes effect when the files were
// found the same twice, so that a file that is just being written is left alone.
type FileApps struct {
	// Path is the file, or the directory whose files *.json, *.yaml and *.yml count. Required.
	Path string `json:"path,omitempty"`

	// Interval is the time between two looks at the files. Default: `2s`.
	Interval pusherhub.Duration `json:"interval,omitempty"`

	log *zap.Logger // static after Provision
}

// CaddyModule returns the Caddy module information.
func (FileApps) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appsNamespace + ".file", New: func() caddy.Module { return new(FileApps) }}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	apps file <path> {
//		interval <duration>
//	}
func (f *FileApps) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // file
	if !d.NextArg() {
		return d.Err("file: found nothing, expected the path of a file or directory")
	}
	f.Path = d.Val()
	if d.NextArg() {
		return d.Errf("file: found %q after the path, expected a block or the end of the line", d.Val())
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "interval" {
			return unknownWord(d, "option of apps file", []string{"interval"})
		}
		if err := seen.add(d); err != nil {
			return err
		}
		if err := setOption(d, reflect.ValueOf(&f.Interval).Elem()); err != nil {
			return err
		}
	}
	return nil
}

// Provision sets defaults.
func (f *FileApps) Provision(ctx caddy.Context) error {
	f.log = ctx.Logger()
	if f.Interval == 0 {
		f.Interval = pusherhub.Duration(2 * time.Second)
	}
	return ResolveOptions(f)
}

// Validate refuses a source without a path.
func (f *FileApps) Validate() error {
	if f.Path == "" {
		return errors.New("path: found nothing, expected the path of a file or directory")
	}
	if f.Interval < 0 {
		return errors.New("interval: found off, expected a positive duration such as 2s")
	}
	return nil
}

// AppSource reads the files, which have to be right at this moment.
func (f *FileApps) AppSource(build AppBuilder) (pusherhub.AppSource, error) {
	s := &fileSource{path: f.Path, interval: time.Duration(f.Interval), build: build, log: f.log}
	files, err := readFiles(f.Path)
	if err != nil {
		return nil, err
	}
	list, err := s.make(files)
	if err != nil {
		return nil, fmt.Errorf("reading apps: %w", err)
	}
	s.current.Store(list)
	return s, nil
}

// Interface guards
var (
	_ AppSourceModule       = (*FileApps)(nil)
	_ caddyfile.Unmarshaler = (*FileApps)(nil)
	_ caddy.Provisioner     = (*FileApps)(nil)
	_ caddy.Validator       = (*FileApps)(nil)
)
