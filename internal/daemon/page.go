package daemon

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/page"
)

// newPage makes the page of what listens at an address.
func newPage(address net.Addr, secure bool, log zerolog.Logger, databases *page.Databases) *page.Page {
	config := page.Config{Log: log, Secure: secure}
	if tcp, ok := address.(*net.TCPAddr); ok {
		config.Cookie = "pg-sync-roles-" + strconv.Itoa(tcp.Port)
	}
	return page.New(config, databases)
}

// CheckUI finds out by looking at them whether the options of the page go together.
func CheckUI(config Config) error {
	switch {
	case config.TLSCert == "" && config.TLSKey != "":
		return errors.New("--tls-key: --tls-cert, the file with the certificate, is missing")
	case config.TLSCert != "" && config.TLSKey == "":
		return errors.New("--tls-cert: --tls-key, the file with the certificate's key, is missing")
	case config.TLSCert != "" && config.ListenAddress == "":
		return errors.New("--tls-cert: nothing is served; add --listen-address, such as --listen-address 127.0.0.1:8080")
	case config.UI && config.ListenAddress == "":
		return errors.New("--ui: nothing is served; add --listen-address, such as --listen-address 127.0.0.1:8080")
	case config.UI && config.TLSCert == "" && !page.IsLoopback(config.ListenAddress):
		return fmt.Errorf("--ui: people log in to the page with their passwords, and --listen-address %s can be reached from elsewhere over plain HTTP: "+
			"add --tls-cert and --tls-key, or listen on 127.0.0.1", config.ListenAddress)
	}
	return nil
}
