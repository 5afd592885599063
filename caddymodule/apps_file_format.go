package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxAppFiles bounds what the files hold together, in bytes.
const maxAppFiles = 64 << 20

// appFile is a file as it was read.
type appFile struct {
	name string
	text []byte
}

// locatedApp is an app and where it stands.
type locatedApp struct {
	where string // file:line
	text  []byte // JSON
	app   App
}

// readFiles reads the file, or those of the directory, in the order of their names. Names with a dot in front do not
// count: editors and Kubernetes put there what is not meant to be seen.
func readFiles(path string) (files []appFile, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	names := []string{path}
	if info.IsDir() {
		names = nil
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			if !strings.HasPrefix(name, ".") && slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name)) {
				names = append(names, filepath.Join(path, name))
			}
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%s: found no file, expected *.json, *.yaml or *.yml; for no app at all write [] into one", path)
		}
	}
	size := 0
	for _, name := range names {
		text, err := readFile(name, maxAppFiles-size)
		if err != nil {
			return nil, err
		}
		size += len(text)
		files = append(files, appFile{name, text})
	}
	return files, nil
}

// readFile reads a file of at most so many bytes. A pipe could keep it waiting for ever.
func readFile(name string, most int) (text []byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: found %s, expected a regular file", name, info.Mode().Type())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s: found more than %d MiB in all, expected less", name, maxAppFiles>>20)
	}
	return text, err
}

// stateOf returns a text that is equal for equal files. What they hold is compared, because times and inodes lie
// where files are copied, mounted or swapped.
func stateOf(files []appFile) string {
	sum := sha256.New()
	for _, f := range files {
		fmt.Fprintf(sum, "%d %s %d ", len(f.name), f.name, len(f.text))
		sum.Write(f.text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// parseFiles reads all apps. Its error names everything that is wrong, with file and line.
func parseFiles(files []appFile) (apps []locatedApp, err error) {
	var errs []error
	ids, keys := make(map[string]string), make(map[string]string)
	for _, f := range files {
		found, err := parseFile(f)
		if err != nil {
			errs = append(errs, err)
		}
		for _, l := range found {
			if l.app, err = ParseApp(l.text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", l.where, err))
				continue
			}
			if first := ids[l.app.ID]; first != "" {
				errs = append(errs, fmt.Errorf("%s: found app %q again, expected it once: it is already in %s", l.where, l.app.ID, first))
				continue
			}
			if first := keys[l.app.Key]; first != "" {
				errs = append(errs, fmt.Errorf("%s: app %q: found the key %q again, expected one of its own: it is already in %s", l.where, l.app.ID, l.app.Key, first))
				continue
			}
			ids[l.app.ID], keys[l.app.Key] = l.where, l.where
			apps = append(apps, l)
		}
	}
	return apps, errors.Join(errs...)
}

// parseFile finds the apps of one file.
func parseFile(f appFile) ([]locatedApp, error) {
	trimmed := bytes.TrimSpace(f.text)
	switch {
	case len(trimmed) == 0:
		return nil, fmt.Errorf("%s: found an empty file, expected apps; for no app at all write []", f.name)
	case filepath.Ext(f.name) == ".json" || trimmed[0] == '{' || trimmed[0] == '[':
		return splitJSON(f)
	}
	return splitYAML(f)
}

// splitJSON finds the apps of a JSON file.
func splitJSON(f appFile) (apps []locatedApp, err error) {
	at := func(offset int64) string {
		return fmt.Sprintf("%s:%d", f.name, 1+bytes.Count(f.text[:offset], []byte("\n")))
	}
	var whole json.RawMessage
	if err := json.Unmarshal(f.text, &whole); err != nil {
		if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("%s: %w", at(wrong.Offset), wrong)
		}
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	dec := json.NewDecoder(bytes.NewReader(f.text))
	list := func() error {
		start, err := dec.Token()
		if err != nil {
			return err
		}
		if start != json.Delim('[') {
			return fmt.Errorf("%s: apps: expected a list", at(dec.InputOffset()))
		}
		for dec.More() {
			var text json.RawMessage
			if err := dec.Decode(&text); err != nil {
				return err
			}
			apps = append(apps, locatedApp{where: at(dec.InputOffset() - int64(len(text))), text: text})
		}
		_, err = dec.Token()
		return err
	}
	switch bytes.TrimSpace(f.text)[0] {
	case '[':
		return apps, list()
	case '{':
	default:
		return nil, fmt.Errorf("%s: found %s, expected an app or a list of apps", f.name, kindOf(bytes.TrimSpace(f.text)))
	}
	fields, err := objectOf(f.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if _, ok := fields["apps"]; !ok {
		start := len(f.text) - len(bytes.TrimLeft(f.text, " \t\r\n"))
		return []locatedApp{{where: at(int64(start)), text: f.text}}, nil
	}
	if _, err := dec.Token(); err != nil { // {
		return nil, err
	}
	for dec.More() {
		word, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if word != "apps" {
			return nil, fmt.Errorf("%s: found %q beside apps, expected nothing else", at(dec.InputOffset()), word)
		}
		if err := list(); err != nil {
			return nil, err
		}
	}
	return apps, nil
}
