package page

import (
	"time"
)

// overview is how all is, at first sight.
type overview struct {
	Reader     *reader
	Counts     []statusCount // in the order in which a person wants to know
	Total      int64
	Verdict    string
	Tone       string
	Problems   []problemGroup
	MoreOf     bool // there are more problems than are shown
	Roles      []roleLine
	Held       []heldRole
	Broken     violationCount
	Violations []violation // some of them
	ToDecide   toDecide
	Requests   []accessRequest // that wait for the reader
	Rescan     *rescan
	Drift      driftCounts
	Recent     []change
	Mine       []myProblem
	Lack       string // what else could be seen after this GRANT
	Now        time.Time
}

type statusCount struct {
	Status string
	Roles  int64
}

type problemGroup struct {
	Kind, Code, Reason, Fix, Object string
	Objects, Roles                  int64
	Some                            []string
}

type heldRole struct {
	RoleName string
	Revokes  int32
	Since    time.Time
	Changes  []string
}

type rescan struct {
	ID             int64
	At             time.Time
	Roles, Drifted int32
	Seconds        float64
	Instance       string
}

// toDecide is what of reviews waits for the reader.
type toDecide struct {
	Items    int64
	Deadline *time.Time
}

type driftCounts struct{ Day, Week int64 }

type myProblem struct {
	RoleName string
	GrantID  int64
	Kind     string
	Reason   string
	Fix      string
}

const (
	fewLines  = 20
	someLines = 50
	manyLines = 100

	fewViolations = 5
)

// statuses in the order of their weight.
var statuses = []string{"held", "failed", "blocked", "refused", "pending", "waiting", "in_sync"}

func showOverview(r *request) (*result, error) {
	o := &overview{Reader: &r.reader, Now: r.now, Lack: lackOf(&r.reader)}
	for _, part := range []struct {
		relations []string
		read      func(*request) error
	}{
		{[]string{"role_status"}, o.readRoles},
		{[]string{"held"}, o.readHeld},
		{[]string{"violation_history"}, o.readViolations},
		{[]string{"reviews", "review_items"}, o.readToDecide},
		{[]string{"my_requests"}, o.readRequests},
		{[]string{"rescans"}, o.readRescans},
		{[]string{"audit"}, o.readChanges},
	} {
		if !r.reader.may(part.relations...) {
			continue
		}
		if err := part.read(r); err != nil {
			return nil, err
		}
	}
	if !r.reader.may("role_status") && r.reader.may("my_problems") {
		var err error
		if o.Mine, err = collect[myProblem](r, "my_problems", manyLines); err != nil {
			return nil, err
		}
	}
	o.judge()
	return &result{template: "overview", title: "Overview", data: o}, nil
}

// lackOf is the statement after which the reader sees all that there is; empty: it does.
func lackOf(r *reader) string {
	if missing := r.missing(everything...); len(missing) > 0 {
		return r.grant(missing)
	}
	return ""
}

func (o *overview) readRoles(r *request) error {
	counts, err := collect[statusCount](r, "counts")
	if err != nil {
		return err
	}
	o.Counts, o.Total = ordered(counts), totalOf(counts)
	if o.Counts[len(o.Counts)-1].Roles == o.Total {
		return nil // all are in sync
	}
	if o.Problems, err = collect[problemGroup](r, "problems", fewLines+1); err != nil {
		return err
	}
	if len(o.Problems) > fewLines {
		o.Problems, o.MoreOf = o.Problems[:fewLines], true
	}
	o.Roles, err = collect[roleLine](r, "not_in_sync", fewLines)
	return err
}

func (o *overview) readHeld(r *request) (err error) {
	o.Held, err = collect[heldRole](r, "held", nil, fewLines)
	return err
}

func (o *overview) readViolations(r *request) (err error) {
	if o.Broken, err = countViolations(r); err != nil || o.Broken.Violations == 0 {
		return err
	}
	o.Violations, err = readViolations(r, "", 0, 0, fewViolations)
	return err
}

func (o *overview) readToDecide(r *request) error {
	list, err := collect[toDecide](r, "to_decide")
	if err == nil {
		o.ToDecide = list[0]
	}
	return err
}

func (o *overview) readRequests(r *request) error {
	list, err := collect[accessRequest](r, "my_requests", 0, fewLines)
	for _, q := range list {
		if q.IsToDecide {
			o.Requests = append(o.Requests, q)
		}
	}
	return err
}

func (o *overview) readRescans(r *request) error {
	last, err := collect[rescan](r, "rescans", false, 1)
	if err != nil {
		return err
	}
	if len(last) > 0 {
		o.Rescan = &last[0]
	}
	counts, err := collect[driftCounts](r, "drift_counts")
	if err != nil {
		return err
	}
	o.Drift = counts[0]
	return nil
}

func (o *overview) readChanges(r *request) (err error) {
	o.Recent, err = readChanges(r, changeFilter{}, 8)
	return err
}

// judge says in one sentence how all is.
func (o *overview) judge() {
	number := map[string]int64{}
	for _, c := range o.Counts {
		number[c.Status] = c.Roles
	}
	wrong := number["failed"] + number["blocked"] + number["refused"] + number["held"]
	of := " of " + grouped(o.Total) + " roles "
	switch {
	case !o.Reader.may("role_status"):
	case wrong > 0:
		o.Tone, o.Verdict = "bad", grouped(wrong)+of+plural(wrong, "is", "are")+" not as desired"
		switch {
		case len(o.Violations) > 0:
			o.Verdict += ", and " + o.violationText()
		case wrong == number["held"]:
			o.Tone = "care"
		}
	case len(o.Violations) > 0:
		o.Tone, o.Verdict = "bad", "All roles are as desired, but "+o.violationText()
	case number["pending"] > 0:
		o.Tone, o.Verdict = "calm", grouped(number["pending"])+of+plural(number["pending"], "is", "are")+" about to be looked at"
	case o.Total == 0:
		o.Tone, o.Verdict = "calm", "No role is managed yet"
	case number["waiting"] > 0:
		o.Tone, o.Verdict = "good", "All is as desired, as far as it exists"
	default:
		o.Tone, o.Verdict = "good", "All "+grouped(o.Total)+" roles are as desired"
		if o.Total == 1 {
			o.Verdict = "The one role is as desired"
		}
	}
}

func (o *overview) violationText() string {
	if o.Broken.Rules == 1 {
		return "a rule is broken"
	}
	return grouped(o.Broken.Rules) + " rules are broken"
}
