package pusherhub

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The table of options in the README is made from the doc comments of AppConfig, so that neither can be
// wrong alone. UPDATE_README=1 writes it.
func TestReadmeOptions(t *testing.T) {
	checkDocument(t, "../README.md",
		"<!-- options: made from the doc comments of AppConfig, UPDATE_README=1 go test ./pusherhub -run Readme -->\n",
		optionTable(t), "<!-- end of options -->\n")
}

// The plugin in the documentation is the one that is built and tested.
func TestReadmePlugin(t *testing.T) {
	code, err := os.ReadFile("../integration/plugin-example/mute.go")
	if err != nil {
		t.Fatal(err)
	}
	checkDocument(t, "../docs/plugins.md",
		"<!-- plugin: integration/plugin-example/mute.go, UPDATE_README=1 go test ./pusherhub -run Readme -->\n",
		"```go\n"+string(code)+"```\n", "<!-- end of plugin -->\n")
}

// checkDocument compares what stands between two lines of a file with what is made of the source. UPDATE_README=1 writes it.
func checkDocument(t *testing.T, file, begin, made, end string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s has nothing between %q and %q", file, begin, end)
	}
	made = before + begin + made + end + after
	if made == string(text) {
		return
	}
	if os.Getenv("UPDATE_README") != "" {
		if err := os.WriteFile(file, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s differs from its source behind %s: run UPDATE_README=1 go test ./pusherhub -run Readme", file, strings.TrimSpace(begin))
}

// optionTable makes a row of each option's doc comment.
func optionTable(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{"| option | meaning | default |", "|---|---|---|"}
	for _, structName := range []string{"AppConfig", "RateLimiting"} {
		object := file.Scope.Lookup(structName)
		if object == nil {
			t.Fatalf("config.go has no struct %s", structName)
		}
		for _, field := range object.Decl.(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
			word := jsonName(field)
			if word == "-" {
				continue
			}
			if structName == "RateLimiting" {
				word = "rate_limiting { " + word + " }"
			}
			comment := strings.Join(strings.Fields(field.Doc.Text()), " ")
			if !strings.HasPrefix(comment, field.Names[0].Name+" ") {
				t.Errorf("the doc comment of %s does not start with its name", field.Names[0].Name)
			}
			meaning := strings.TrimPrefix(comment, field.Names[0].Name+" ")
			meaning, value, found := strings.Cut(meaning, " Default: ")
			if !found {
				meaning, value = strings.TrimSuffix(meaning, " Required."), "required"
				if strings.HasSuffix(comment, "being replaced.") {
					value = "none"
				}
			}
			rows = append(rows, "| `"+word+"` | "+meaning+" | "+strings.TrimSuffix(value, ".")+" |")
		}
	}
	return strings.Join(rows, "\n") + "\n"
}

func jsonName(field *ast.Field) string {
	tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
	name, _, _ := strings.Cut(tag, ",")
	return name
}
