package chain

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"
)

// FindingKind is what is wrong with a part of the audit.
type FindingKind string

// The kinds of findings.
const (
	Missing   FindingKind = "missing"   // a place is empty, and no removal accounts for it
	Changed   FindingKind = "changed"   // a row is not as it was written
	Inserted  FindingKind = "inserted"  // a row has no place in the chain, or one that is taken
	Reordered FindingKind = "reordered" // a row's id does not agree with its place
	OtherHead FindingKind = "head"      // a head noted earlier is not in this chain
)

// Finding is a change of the audit that pg-sync-roles did not make.
type Finding struct {
	Kind   FindingKind `json:"kind"`
	First  int64       `json:"first_seq,omitempty"` // the places that it is about; 0: none
	Last   int64       `json:"last_seq,omitempty"`
	ID     int64       `json:"id,omitempty"` // of the row in audit; 0: not about one row
	Reason string      `json:"reason"`
}

// findingsKept bounds what a verification of a ruined audit holds in memory.
const findingsKept = 100

// findings are the first that were found, and how many more there were.
type findings struct {
	list []Finding
	more int
}

// add keeps a finding, or makes the one before longer by it.
func (f *findings) add(n Finding) {
	if i := len(f.list) - 1; i >= 0 && n.First > 0 {
		if last := &f.list[i]; last.Kind == n.Kind && last.Reason == n.Reason && last.Last+1 == n.First && f.more == 0 {
			last.Last, last.ID = n.Last, 0
			return
		}
	}
	if len(f.list) == findingsKept {
		f.more++
		return
	}
	f.list = append(f.list, n)
}

// link is what stands at a place of the chain: a row of the audit, the record of a removal, or, over several places, a run of rows that a
// removal accounts for.
type link struct {
	first, last    int64
	id             int64 // of a row of audit; 0: something else
	intact         bool  // the hash is that of the columns
	previous, hash []byte
	at             time.Time // when it was written; of a run, when the last row that was removed with it was
	run            bool
}

// walk goes along the chain once, and remembers little of it.
type walk struct {
	head  Head
	noted []Head // heads that must be in the chain, and have not been met

	before  link // the one before the current one
	adjoins bool // no place is missing between the two
	faulty  bool // the one before has been found wrong already

	current link
	rival   *link // claims the current one's place
	priorID int64 // of the row before
	lastID  int64 // of the rows before that are as they were written

	findings
}

const placeTaken = "its place in the chain is taken by another"

// newWalk starts before the first place. The link that all begins with has no place.
func newWalk(begin link, head Head, noted []Head) *walk {
	w := &walk{head: head, noted: append([]Head{}, noted...), current: begin, faulty: !begin.intact}
	if !begin.intact {
		w.findings.add(Finding{Kind: Changed, Reason: "where the chain begins (sync_roles.audit_chain) is not as it was written"})
	}
	return w
}

// add takes the links in the order of their first places.
func (w *walk) add(l link) {
	switch {
	case l.first < 1 || l.last < l.first:
		w.findings.add(l.finding(Inserted, "the chain has no such place"))
	case l.last > w.head.Seq:
		w.findings.add(l.finding(Inserted, "it lies beyond the end of the chain"))
	case l.first <= w.current.last:
		w.contest(l)
	default:
		w.settle(l.previous)
		w.adjoins = l.first == w.current.last+1
		if !w.adjoins {
			w.findings.add(Finding{Kind: Missing, First: w.current.last + 1, Last: l.first - 1, Reason: "no row is there, and no removal accounts for it"})
		}
		w.before, w.current = w.current, l
	}
}

// contest decides between two links for one place, as far as that is possible before the next one is known.
func (w *walk) contest(l link) {
	switch {
	case w.rival != nil || l.first != w.current.first || !w.fits(l):
		w.findings.add(l.finding(Inserted, placeTaken))
	case w.fits(w.current):
		w.rival = &l
	default:
		w.findings.add(w.current.finding(Inserted, placeTaken))
		w.current = l
	}
}

// fits reports whether a link is as it was written, after the one before.
func (w *walk) fits(l link) bool {
	return l.intact && (!w.adjoins || bytes.Equal(l.previous, w.before.hash))
}

// settle judges the current link, by the hash that it should have: the next one was written after that.
func (w *walk) settle(hash []byte) {
	if w.rival != nil {
		loser := *w.rival
		if bytes.Equal(loser.hash, hash) {
			loser, w.current = w.current, loser
		}
		w.findings.add(loser.finding(Inserted, placeTaken))
		w.rival = nil
	}
	if w.current.last == 0 {
		w.compare()
		return // the beginning
	}
	l := w.current
	if l.intact && w.adjoins && !w.faulty && !bytes.Equal(l.previous, w.before.hash) {
		w.findings.add(w.before.finding(Changed, "it was replaced: what follows was written after another hash"))
	}
	w.faulty = !l.intact
	switch {
	case l.id != 0 && (l.intact && l.id <= w.lastID || !l.intact && l.id <= w.priorID):
		w.findings.add(l.finding(Reordered, "its id does not agree with its place in the chain"))
		w.faulty = true
	case !l.intact:
		w.findings.add(l.finding(Changed, "its hash is not that of its columns"))
	case l.run && w.adjoins && w.before.id != 0 && w.before.at.After(l.at):
		w.findings.add(l.finding(Changed, "the record of their removal is false: it says that none was younger than "+l.at.UTC().Format(time.RFC3339)+", and the row before them is"))
	}
	if l.id != 0 {
		w.priorID = l.id
	}
	if l.intact {
		w.lastID = max(w.lastID, l.id)
	}
	w.compare()
}

// compare looks for noted heads at the current place.
func (w *walk) compare() {
	w.noted = slices.DeleteFunc(w.noted, func(n Head) bool {
		if n.Seq < w.current.first || n.Seq > w.current.last {
			return false
		}
		switch {
		case n.Seq < w.current.last:
			w.findings.add(Finding{Kind: OtherHead, First: n.Seq, Last: n.Seq, Reason: "the noted head " + n.String() + " cannot be compared: the retention has removed rows on both sides of it"})
		case n.Hash != hex.EncodeToString(w.current.hash):
			w.findings.add(Finding{Kind: OtherHead, First: n.Seq, Last: n.Seq, Reason: "the noted head " + n.String() + " is not in this chain: something up to it was rewritten"})
		}
		return true
	})
}

// end settles the last link, by the head, and says what is missing.
func (w *walk) end() {
	hash, err := hex.DecodeString(w.head.Hash)
	if err != nil {
		hash = nil // it fits nothing
	}
	w.settle(hash)
	l := w.current
	switch {
	case l.last < w.head.Seq:
		w.findings.add(Finding{Kind: Missing, First: l.last + 1, Last: w.head.Seq, Reason: "the end of the chain is not there"})
	case !bytes.Equal(l.hash, hash) && l.last > 0 && !w.faulty:
		w.findings.add(l.finding(Changed, "it was replaced: the chain ended with another hash"))
	case !bytes.Equal(l.hash, hash) && l.last == 0:
		w.findings.add(Finding{Kind: Changed, Reason: "where the chain ends (sync_roles.audit_chain) is not as it was written"})
	}
	for _, n := range w.noted {
		w.findings.add(Finding{Kind: OtherHead, First: n.Seq, Last: n.Seq, Reason: "the noted head " + n.String() + " is not in this chain: its place is empty; rows were removed, or the database is a copy from before"})
	}
}

// finding is about the link's places.
func (l link) finding(kind FindingKind, reason string) Finding {
	return Finding{Kind: kind, First: l.first, Last: l.last, ID: l.id, Reason: reason}
}
