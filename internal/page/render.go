package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/style.css
var style []byte

// styleName changes with the style: browsers may keep it for ever.
var styleName = func() string {
	sum := sha256.Sum256(style)
	return "style-" + hex.EncodeToString(sum[:6]) + ".css"
}()

// layout is what stands around each view.
type layout struct {
	Title   string
	Path    string
	Session *session
	Reader  *reader
}

// document is what templates get.
type document struct {
	layout
	Style string
	User  string // the role that has logged in; empty: none has
	Token string
	Menu  []entry
	Data  any
}

// entry is an entry of the menu.
type entry struct {
	Path, Name string
	Current    bool
}

// message is a view that says one thing.
type message struct{ Heading, Text string }

var templates = parseTemplates()

// parseTemplates reads the templates: each view with the layout around it.
func parseTemplates() map[string]*template.Template {
	common := template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".html")
		all[name] = template.Must(template.Must(common.Clone()).ParseFS(templateFiles, path.Join("templates", file.Name())))
	}
	return all
}

var functions = template.FuncMap{
	"name":         visible,
	"sql":          catalog.Printable,
	"time":         func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"iso":          func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"number":       grouped,
	"plural":       plural,
	"status":       statusText,
	"tone":         tone,
	"link":         link,
	"join":         strings.Join,
	"objects":      objectText,
	"means":        meansText,
	"intermediate": isIntermediate,
	"object": func(t, schema, name string) map[string]string {
		return map[string]string{"Type": t, "Schema": schema, "Name": name}
	},
	"ago": ago,
}

// render sends a page. It is complete before its first byte is sent.
func (p *Page) render(w http.ResponseWriter, status int, name string, page layout, data any) {
	doc := document{layout: page, Style: "/assets/" + styleName, Data: data}
	if page.Session != nil {
		doc.User, doc.Token = page.Session.role, page.Session.token
	}
	if page.Reader != nil {
		doc.Menu = menu(page.Reader, page.Path)
	}
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, "layout", doc); err != nil {
		p.config.Log.Error().Err(err).Str("template", name).Msg("page: a template failed")
		http.Error(w, "The page could not be made; the daemon's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// fail answers with a message alone.
func (p *Page) fail(w http.ResponseWriter, status int, heading, text string) {
	p.render(w, status, "message", layout{Title: heading}, message{heading, text})
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("name") != styleName {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(style)
}

// menu has the views that the reader may see.
func menu(r *reader, here string) []entry {
	var list []entry
	for _, e := range []struct {
		path, name string
		shown      bool
		below      string
	}{
		{"/", "Overview", true, ""},
		{"/roles", "Roles", r.may("role_status"), "/role"},
		{"/objects", "Objects", r.may("objects"), "/object"},
		{"/changes", "Changes", r.may("audit"), "/change"},
		{"/drift", "Drift", r.may("audit", "rescans"), ""},
		{"/violations", "Violations", r.may("violation_history"), ""},
		{"/as-of", "As of", r.AccessAsOf && r.may(historyRelations...), ""},
		{"/reviews", "Reviews", r.may("reviews", "review_items") || r.may("review_status"), ""},
		{"/requests", "Requests", r.may("my_requests"), ""},
	} {
		if e.shown && r.Usage {
			list = append(list, entry{e.path, e.name, here == e.path || e.below != "" && here == e.below})
		}
	}
	return list
}

// visible is a name in which nothing hides: control characters and the like stand as what they are.
func visible(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '\n':
			b.WriteRune('↵')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "\\u{%x}", r)
		}
	}
	return b.String()
}

// grouped is a number with its thousands apart.
func grouped(n any) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

func plural(n any, one, many string) string {
	if fmt.Sprint(n) == "1" {
		return one
	}
	return many
}

// statusText is a status in words.
func statusText(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") }

// tone is the kind of colour of a status or outcome.
func tone(s any) string {
	switch fmt.Sprint(s) {
	case "in_sync", "applied", "unchanged", "approved", "decided":
		return "good"
	case "held", "due":
		return "care"
	case "refused", "blocked", "failed", "denied":
		return "bad"
	}
	return "calm" // pending, waiting
}

// link is a path with parameters, given as name and value in turn; empty values are left out.
func link(path string, pairs ...any) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := fmt.Sprint(pairs[i+1]); value != "" {
			query.Set(fmt.Sprint(pairs[i]), value)
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// objectText names an object for people.
func objectText(objectType any, schema, name string) string {
	if schema != "" {
		name = schema + "." + name
	}
	return statusText(objectType) + " " + visible(name)
}

// ago is how long ago something was, in one word.
func ago(then, now time.Time) string {
	d := now.Sub(then)
	switch {
	case d < time.Second:
		return "just now"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s ago"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h ago"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days ago"
}

// isIntermediate reports whether a name is one that the daemon gives its intermediate roles. It is for words alone: who is one, the registry says.
func isIntermediate(name string) bool { return strings.HasPrefix(name, "_pgsr_") }
