package page

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets a browser load the page's own style, and nothing else: no script, not even an inline style.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded refuses what comes from elsewhere, and tells browsers how to treat each answer.
func (p *Page) guarded(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fail(w, http.StatusForbidden, "This form was sent by another site", "Open the page itself, and try again.")
	}))
	next = crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if p.config.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !p.config.Secure && !isLocal(r) {
			p.fail(w, http.StatusForbidden, "Only from this machine",
				"Without TLS the page answers to this machine alone, under the names localhost, 127.0.0.1 and [::1]. To be reached from elsewhere, the daemon needs --tls-cert and --tls-key.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// maxForm is more than any form of the page has.
const maxForm = 64 << 10

// isLocal reports whether a request comes from this machine, and asks for it by a name of its own: a site that has its name resolved to 127.0.0.1 sends
// browsers here under that name.
func isLocal(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback() && isLoopback(hostOf(r.Host)) && !isForwarded(r)
}

// isForwarded reports whether a proxy has sent the request on, for a client that may be anywhere.
func isForwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// IsLoopback reports whether an address, host:port, is reached from its own machine alone.
func IsLoopback(address string) bool { return isLoopback(hostOf(address)) }

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// addressOf is whom the limits on logins count.
func addressOf(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := remote.Addr().Unmap().WithZone("")
	if address.Is6() { // whoever has one address has the network
		if network, err := address.Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}
