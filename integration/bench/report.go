//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// report prints all figures, and what they have to be.
func (b *bench) report(w io.Writer, failed []error) {
	for _, f := range b.figures {
		f.finish()
	}
	fmt.Fprintf(w, "%v\n", b.machine)
	fmt.Fprintf(w, "Medians of %d rounds of %v; ratios are medians of the rounds' ratios, with the least and the most.\n", b.rounds, b.length)
	if b.quick {
		fmt.Fprintln(w, "A quick run: it shows that everything runs. Its figures mean nothing.")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	scenario, of := "", ""
	for _, f := range b.figures {
		if f.Scenario != scenario {
			scenario, of = f.Scenario, ""
			fmt.Fprintf(t, "\n%s\tmeasured\tlimit\tratio\t\tagainst\n", scenario)
		}
		if f.Case != of {
			of = f.Case
			fmt.Fprintf(t, "  %s\t\t\t\t\t\n", of)
		}
		fmt.Fprintf(t, "    %s\t%s %s\t", f.Name, human(f.Median), f.Unit)
		if f.Against == "" {
			fmt.Fprint(t, "\t\t\t\n")
			continue
		}
		fmt.Fprintf(t, "%s %s\t%s\t%s – %s\t%s\n", human(f.LimitMedian), f.Unit, number(f.Ratio), number(f.RatioLeast), number(f.RatioMost), f.Against)
	}
	if list := b.verdicts(); len(list) > 0 {
		fmt.Fprint(t, "\nfigure\tmust be\tmeasured\t\n")
		for _, v := range list {
			mark := "pass"
			if !v.Pass {
				mark = "MISS"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", v.Figure, v.MustBe, number(v.Measured), mark)
		}
	}
	_ = t.Flush() // as with fmt.Fprint, nobody can be told
	for _, err := range failed {
		fmt.Fprintf(w, "\nFAILED %v\n", err)
	}
}

// writeJSON writes the same for programs.
func (b *bench) writeJSON(file string, failed []error) error {
	failures := make([]string, len(failed))
	for i, err := range failed {
		failures[i] = err.Error()
	}
	text, err := json.MarshalIndent(map[string]any{
		"machine": b.machine, "rounds": b.rounds, "round_seconds": b.length.Seconds(), "quick": b.quick,
		"figures": b.figures, "requirements": b.verdicts(), "failures": failures,
	}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
