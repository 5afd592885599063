package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// unknownWord is the error for a word that nobody knows, with the known word that was probably meant.
func unknownWord(d *caddyfile.Dispenser, kind string, known []string) error {
	return d.Errf("unknown %s '%s'%s", kind, d.Val(), didYouMean(d.Val(), known))
}

// didYouMean names the known word that is closest to word, if one is close at all.
func didYouMean(word string, known []string) string {
	best, least := "", len(word)/3+1 // one typing error in a short word, a few in a long one
	for _, candidate := range known {
		if n := distance(word, candidate); n <= least && (best == "" || n < least) {
			best, least = candidate, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean '%s'?", best)
}

// distance counts the typing errors between a and b: letters that are missing, too
// many, wrong, or exchanged with their neighbour.
func distance(a, b string) int {
	previous, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	var beforePrevious []int
	for i := 1; i <= len(a); i++ {
		beforePrevious, previous, row = previous, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforePrevious[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
