package page

import "time"

// drift is what others changed, and what became of it.
type drift struct {
	Counts  driftCounts
	Rescans []rescan // that found some
	Undone  []change
	Hand    []handChange
	Hands   bool // who changes things by hand can be told
	Next    string
}

// handChange is a GRANT or REVOKE by hand, as event triggers saw it.
type handChange struct {
	At                          time.Time
	Who                         string
	ActingAs                    *string // after SET ROLE
	ApplicationName, ClientAddr string
	CommandTag                  string
	Object, Statement           string
}

func showDrift(r *request) (*result, error) {
	if err := r.reader.need("Drift", "audit", "rescans"); err != nil {
		return nil, err
	}
	d := &drift{Hands: r.reader.may("hand_changes")}
	counts, err := collect[driftCounts](r, "drift_counts")
	if err != nil {
		return nil, err
	}
	d.Counts = counts[0]
	if d.Rescans, err = collect[rescan](r, "rescans", true, 10); err != nil {
		return nil, err
	}
	before, err := idOf("before", r.query("before"))
	if err != nil {
		return nil, err
	}
	if d.Undone, err = readChanges(r, changeFilter{drift: true, Before: before}, fewLines+1); err != nil {
		return nil, err
	}
	if len(d.Undone) > fewLines {
		d.Undone = d.Undone[:fewLines]
		d.Next = link("/drift", "before", d.Undone[fewLines-1].ID)
	}
	if d.Hands {
		if d.Hand, err = collect[handChange](r, "hand_changes", fewLines); err != nil {
			return nil, err
		}
	}
	return &result{template: "drift", title: "Drift", data: d}, nil
}
