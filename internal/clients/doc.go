// Package clients has no code: its tests run what docs/clients.md shows, and examples/monitoring/events_webhook.py, with the tools themselves, against a server
// and a daemon.
//
// .ci/fetch-clients fetches the tools, and prints the folder for TEST_CLIENTS. Without it the tests are skipped.
package clients
