package pusherhub

import (
	"cmp"
	"slices"
)

// Page says which part of a list is asked for. Lists are in the order of what names their entries, byte by byte, so that pages neither repeat nor
// leave out an entry that is there all the time, whatever comes and goes meanwhile.
type Page struct {
	// After is the name after which the page begins: what the page before returned as next. Default: the beginning.
	After string

	// Limit is how many entries the page has at most, up to [MaxPage]. Default: [DefaultPage].
	Limit int
}

// How many entries a page has if nothing else is asked for, and how many at most.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// pageOf picks the entries of one page out of a crowd, without keeping the crowd.
type pageOf[T any] struct {
	after string
	limit int
	kept  []entry[T]
	full  bool   // more than a page was seen:
	bound string // from this name on nothing is on the page
}

type entry[T any] struct {
	name  string
	value T
}

func newPage[T any](p Page) (*pageOf[T], error) {
	if p.Limit < 0 || p.Limit > MaxPage {
		return nil, badRequest("limit: found %d, expected 1 to %d", p.Limit, MaxPage)
	}
	return &pageOf[T]{after: p.After, limit: cmp.Or(p.Limit, DefaultPage)}, nil
}

// offer shows one entry of the crowd.
func (p *pageOf[T]) offer(name string, value T) {
	if p.after != "" && name <= p.after || p.full && name >= p.bound {
		return
	}
	p.kept = append(p.kept, entry[T]{name, value})
	if len(p.kept) >= 4*p.limit+4 {
		p.cut()
	}
}

// cut drops what is behind the page, but for one entry that shows that there is more.
func (p *pageOf[T]) cut() {
	slices.SortFunc(p.kept, func(a, b entry[T]) int { return cmp.Compare(a.name, b.name) })
	if len(p.kept) > p.limit {
		clear(p.kept[p.limit+1:])
		p.kept = p.kept[:p.limit+1]
		p.full, p.bound = true, p.kept[p.limit].name
	}
}

// entries returns the page, and where the next one begins: empty after the last.
func (p *pageOf[T]) entries() (list []T, next string) {
	p.cut()
	if len(p.kept) > p.limit {
		p.kept = p.kept[:p.limit]
		next = p.kept[p.limit-1].name
	}
	list = make([]T, 0, len(p.kept))
	for _, e := range p.kept {
		list = append(list, e.value)
	}
	return list, next
}
