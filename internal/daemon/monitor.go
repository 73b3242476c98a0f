package daemon

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
)

// monitor makes the metrics of all databases, and takes the address; serve is to be called, and runs until the context ends.
// Without an address the metrics are kept all the same, and not served.
func monitor(ctx context.Context, sources []connect.Source, places []place, config Config) (databases []*metrics.Database, serve func() error, err error) {
	names, err := databaseNames(sources)
	if err != nil {
		return nil, nil, err
	}
	log, address := config.Engine.Log, config.ListenAddress
	m := metrics.New(config.Version, log)
	for i, name := range names {
		databases = append(databases, m.Database(name, config.RescanInterval, monitorConnection(sources[i])))
		databases[i].LogTo(places[i].log(log))
	}
	if address == "" {
		return databases, func() error { return nil }, nil
	}
	listener, err := metrics.Listen(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	log.Info().Str("address", listener.Addr().String()).Msg("serving /healthz, /readyz and /metrics")
	return databases, func() error { return m.Serve(ctx, listener) }, nil
}

// monitorConnection returns what opens the connection on which a database is asked how it is. It changes nothing, and a query that no caller
// waits for any more does not go on for long.
func monitorConnection(source connect.Source) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		config, err := parse(source)
		if err != nil {
			return nil, err
		}
		params := config.RuntimeParams
		params["application_name"] = "pg-sync-roles metrics"
		params["default_transaction_read_only"] = "on"
		params["statement_timeout"] = "5s"
		params["jit"] = "off"
		return catalog.Connect(ctx, config)
	}
}

// databaseNames tells databases apart: by their names, where these are the same also by their servers, and where the user gave
// the same one twice also by a number.
func databaseNames(sources []connect.Source) ([]string, error) {
	places, err := placesOf(sources)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Database
	}
	names = clarified(names, func(i int) string { return places[i].server() + "/" + names[i] })
	return clarified(names, func(i int) string { return fmt.Sprintf("%s#%d", names[i], i+1) }), nil
}

// clarified replaces names that are there more than once.
func clarified(names []string, longer func(i int) string) []string {
	times := map[string]int{}
	for _, name := range names {
		times[name]++
	}
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = name
		if times[name] > 1 {
			list[i] = longer(i)
		}
	}
	return list
}
