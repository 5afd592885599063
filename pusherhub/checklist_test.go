package pusherhub

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The lines of the conformance checklist (protocol section 13), those of the HTTP fallback left out.
var checklist = [][2]int{{1, 65}, {71, 74}}

// checklistNumber finds the line of the checklist that a test is named after: it stands in front.
var checklistNumber = regexp.MustCompile(`^T([1-9][0-9]?) `)

// Every line of the checklist has a subtest that bears its number.
func TestChecklist(t *testing.T) {
	found := make(map[int]bool)
	for _, dir := range []string{".", "../caddymodule", "../integration"} {
		for _, file := range testFiles(t, dir) {
			for _, name := range testNames(t, file) {
				if m := checklistNumber.FindStringSubmatch(name); m != nil {
					number, _ := strconv.Atoi(m[1])
					found[number] = true
				}
			}
		}
	}
	for _, span := range checklist {
		for number := span[0]; number <= span[1]; number++ {
			if !found[number] {
				t.Errorf("no subtest is named %q", "T"+strconv.Itoa(number)+" ...")
			}
		}
	}
}

// testFiles lists the test files, and those of suites, below dir. A directory that is not there has none.
func testFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return fs.SkipAll
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"node_modules", "vendor", "testdata"}, entry.Name()):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go") || filepath.Base(filepath.Dir(path)) == "hubtest":
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// testNames returns what may start a subtest's name in a file: the literals in the first argument of t.Run, and, where that
// comes from a table, those of tables.
func testNames(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	literals := func(n ast.Node) (found []string) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					found = append(found, text)
				}
			}
			return true
		})
		return found
	}
	for _, decl := range parsed.Decls {
		fromTable := false
		ast.Inspect(decl, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			if fn, ok := call.Fun.(*ast.SelectorExpr); !ok || fn.Sel.Name != "Run" {
				return true
			}
			inName := literals(call.Args[0])
			names = append(names, inName...)
			fromTable = fromTable || len(inName) == 0 || !checklistNumber.MatchString(inName[0])
			return true
		})
		if fromTable {
			ast.Inspect(decl, func(n ast.Node) bool {
				if table, ok := n.(*ast.CompositeLit); ok {
					names = append(names, literals(table)...)
				}
				return true
			})
		}
	}
	return names
}
