package pusherhub

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sourceFiles parses the package's files, without its tests.
func sourceFiles(t *testing.T) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// codeConstants are the values of the constants CodeX.
func codeConstants(files []*ast.File) map[string]int {
	codes := make(map[string]int)
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				codes[spec.Names[0].Name], _ = strconv.Atoi(lit.Value)
			}
			return true
		})
	}
	return codes
}

// literalCode returns the code that &CloseError{code, reason} is written with.
func literalCode(e ast.Expr) (code ast.Expr, isCloseError bool) {
	ref, ok := e.(*ast.UnaryExpr)
	if !ok {
		return nil, false
	}
	lit, ok := ref.X.(*ast.CompositeLit)
	if !ok || len(lit.Elts) != 2 {
		return nil, false
	}
	name, ok := lit.Type.(*ast.Ident)
	return lit.Elts[0], ok && name.Name == "CloseError"
}

// Closed with 4300 or above, pusher-js never comes back: such codes are for error frames only.
func TestCloseCodesInTheSource(t *testing.T) {
	files := sourceFiles(t)
	codes := codeConstants(files)
	if codes["CodeClientEventRejected"] != 4301 || codes["CodeNoSuchApp"] != 4001 {
		t.Fatalf("found constants %v", codes)
	}
	found := make(map[string]bool)
	check := func(where string, code ast.Expr) {
		switch code := code.(type) {
		case *ast.Ident:
			value, known := codes[code.Name]
			found[code.Name] = true
			if !known || value < 4000 || value > 4299 {
				t.Errorf("%s closes with %s = %d, expected 4000 to 4299", where, code.Name, value)
			}
		case *ast.SelectorExpr: // the option terminate_code, which is checked by validate
			if code.Sel.Name != "TerminateCode" {
				t.Errorf("%s closes with %s", where, code.Sel.Name)
			}
		default:
			t.Errorf("%s closes with a code that is no constant", where)
		}
	}
	t.Run("T64 never a close >= 4300, by name", func(t *testing.T) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					for i, value := range n.Values {
						if code, ok := literalCode(value); ok {
							check(n.Names[i].Name, code)
						}
					}
				case *ast.CallExpr:
					if fn, ok := n.Fun.(*ast.SelectorExpr); ok && fn.Sel.Name == "close" && len(n.Args) == 1 {
						if code, ok := literalCode(n.Args[0]); ok {
							check("a call of close", code)
						}
					}
				}
				return true
			})
		}
		if len(found) < 10 {
			t.Errorf("found only %v", slices.Collect(maps.Keys(found)))
		}
	})
}

func TestTerminateCodeValidation(t *testing.T) {
	for code, good := range map[int]bool{
		3999: false, 4000: true, 4009: true, 4200: true, 4299: true, 4300: false, 4301: false, 4999: false, 1000: false, -1: false,
	} {
		t.Run("T64 option terminate_code "+strconv.Itoa(code), func(t *testing.T) {
			_, err := NewApp(AppConfig{ID: "i", Key: "k", Secret: "s", TerminateCode: code})
			if (err == nil) != good {
				t.Errorf("found %v, expected good %t", err, good)
			}
			if err != nil && !strings.Contains(err.Error(), "terminate_code: found "+strconv.Itoa(code)+", expected 4000 to 4299") {
				t.Errorf("found %q", err)
			}
		})
	}
}
