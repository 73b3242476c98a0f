package audit

import (
	"encoding/json"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// EventChannel is where each transaction that writes to the audit notifies what happened, for bots and webhooks.
//
// Every login of the database can listen, and can notify. So an event says no more than the catalogs tell everyone, and who acts on one reads the row of the
// audit that it names: a forged event leads to nothing.
const EventChannel = "sync_roles_events"

// event is the payload of a notification, for a row of the audit.
type event struct {
	Event   plan.Outcome `json:"event"` // applied, refused, blocked, held or failed
	AuditID int64        `json:"audit_id"`
	Role    string       `json:"role_name,omitempty"`
	Cause   Cause        `json:"cause"`
	Granted int          `json:"granted"`
	Revoked int          `json:"revoked"`
}

// events are those of one transaction.
type events []event

// maxEvents is how many events a transaction notifies of one by one. After a change to all of a large fleet, one more says to read the audit.
const maxEvents = 1000

// more is the event that stands for those which were left out.
const more plan.Outcome = "more"

// add notes a row, if it is worth an event: one that found nothing to do, or waits for an object, is not.
func (e *events) add(id int64, r Row) {
	if r.Outcome != plan.Unchanged && r.Outcome != plan.Waiting {
		*e = append(*e, event{r.Outcome, id, r.Role, r.Cause, r.Granted, r.Revoked})
	}
}

// payloads are the events in JSON. A role's name has 63 bytes at most, so none comes near the 8,000 that a notification can have.
func (e events) payloads() ([]string, error) {
	if len(e) > maxEvents {
		first := e[maxEvents]
		e = append(e[:maxEvents:maxEvents], event{Event: more, AuditID: first.AuditID, Cause: first.Cause})
	}
	list := make([]string, len(e))
	for i, one := range e {
		text, err := json.Marshal(one)
		if err != nil {
			return nil, fmt.Errorf("write the event of role %q: %w", one.Role, err)
		}
		list[i] = string(text)
	}
	return list, nil
}
