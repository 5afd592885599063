package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// splitYAML finds the apps of a YAML file and turns them into JSON.
func splitYAML(f appFile) ([]locatedApp, error) {
	dec := yaml.NewDecoder(bytes.NewReader(f.text))
	var document, more yaml.Node
	if err := dec.Decode(&document); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: found no app, only comments; for no app at all write []", f.name)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: found a second document, expected one", f.name, max(more.Line, 1))
	}
	root := document.Content[0]
	nodes := []*yaml.Node{root}
	if root.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(root.Content); i += 2 {
			if root.Content[i].Value != "apps" {
				continue
			}
			if len(root.Content) > 2 {
				return nil, fmt.Errorf("%s:%d: found words beside apps, expected nothing else", f.name, root.Line)
			}
			root = root.Content[i+1]
			if root.Kind != yaml.SequenceNode {
				return nil, fmt.Errorf("%s:%d: apps: expected a list", f.name, root.Line)
			}
		}
	}
	if root.Kind == yaml.SequenceNode {
		nodes = root.Content
	}
	var errs []error
	apps := make([]locatedApp, 0, len(nodes))
	for _, node := range nodes {
		where := fmt.Sprintf("%s:%d", f.name, node.Line)
		text, err := yamlApp(node)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
			continue
		}
		apps = append(apps, locatedApp{where: where, text: text})
	}
	return apps, errors.Join(errs...)
}

// yamlApp returns an app of a YAML file as JSON. What is text stays as it was written: YAML would make a number of
// an id such as 0815.
func yamlApp(node *yaml.Node) ([]byte, error) {
	if node.Kind != yaml.MappingNode && node.Kind != yaml.AliasNode {
		return nil, errors.New("found no app, expected words such as id, key and secret")
	}
	var fields map[string]yaml.Node
	if err := node.Decode(&fields); err != nil {
		return nil, err
	}
	app := make(map[string]any, len(fields))
	for _, word := range slices.Sorted(maps.Keys(fields)) {
		value, err := yamlValue(word, fields[word])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", word, err)
		}
		app[word] = value
	}
	return json.Marshal(app)
}

func yamlValue(word string, node yaml.Node) (value any, err error) {
	if node.Kind == yaml.AliasNode {
		node = *node.Alias
	}
	if node.Tag == "!!null" {
		return nil, nil
	}
	switch wordTypes[word] {
	case reflect.TypeFor[string]():
		if node.Kind == yaml.ScalarNode {
			return node.Value, nil
		}
	case reflect.TypeFor[[]string]():
		var list []yaml.Node
		if err := node.Decode(&list); err != nil {
			return nil, errors.New("expected a list")
		}
		texts := make([]string, len(list))
		for i := range list {
			texts[i] = list[i].Value
		}
		return texts, nil
	}
	err = node.Decode(&value)
	return value, err
}
