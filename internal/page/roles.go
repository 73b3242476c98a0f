package page

import "time"

type roleLine struct {
	RoleName, Status, State string
	ChangedAt               *time.Time
	Reason                  string
}

// roleList is a part of the roles, by name.
type roleList struct {
	Status, Search, After string
	Counts                []statusCount
	Total                 int64
	Roles                 []roleLine
	Next                  string // the address of what follows; empty: nothing does
}

func showRoles(r *request) (*result, error) {
	if err := r.reader.need("The list of roles", "role_status"); err != nil {
		return nil, err
	}
	l := &roleList{Status: r.query("status"), Search: r.query("q"), After: r.query("after")}
	list, err := collect[statusCount](r, "counts")
	if err != nil {
		return nil, err
	}
	l.Counts, l.Total = ordered(list), totalOf(list)
	if l.Roles, err = collect[roleLine](r, "roles", l.After, l.Status, l.Search, manyLines+1); err != nil {
		return nil, err
	}
	if len(l.Roles) > manyLines {
		l.Roles = l.Roles[:manyLines]
		l.Next = link("/roles", "status", l.Status, "q", l.Search, "after", l.Roles[manyLines-1].RoleName)
	}
	return &result{template: "roles", title: "Roles", data: l}, nil
}

// ordered are counts in the order of their weight, with those that are 0.
func ordered(counts []statusCount) (list []statusCount) {
	for _, s := range statuses {
		one := statusCount{Status: s}
		for _, c := range counts {
			if c.Status == s {
				one = c
			}
		}
		list = append(list, one)
	}
	return list
}

func totalOf(counts []statusCount) (total int64) {
	for _, c := range counts {
		total += c.Roles
	}
	return total
}
