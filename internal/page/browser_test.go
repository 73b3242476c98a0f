package page_test

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser finds Chromium. In CI there must be one.
func browser(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		tb.Fatal("there is no Chromium on this machine: apt-get install chromium")
	}
	tb.Skip("there is no Chromium on this machine: apt-get install chromium")
	return ""
}

// tab is a tab of a browser that looks at a site, with JavaScript turned off for the site.
type tab struct {
	tb   testing.TB
	ctx  context.Context //nolint:containedctx // it is the tab
	site *site

	mu         sync.Mutex
	complaints []string // of the console, and dialogs
}

func newTab(tb testing.TB, s *site) *tab {
	tb.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser(tb)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("font-render-hinting", "none"))
	allocator, cancelAllocator := chromedp.NewExecAllocator(tb.Context(), options...)
	tb.Cleanup(cancelAllocator)
	ctx, cancelTime := context.WithTimeout(allocator, 3*time.Minute) // what a test waits for may never come
	tb.Cleanup(cancelTime)
	ctx, cancel := chromedp.NewContext(ctx)
	tb.Cleanup(cancel)
	t := &tab{tb: tb, ctx: ctx, site: s}
	if err := chromedp.Listen(ctx, func(event any) {
		t.mu.Lock()
		defer t.mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Source != log.EntrySourceNetwork { // the status of an answer
				t.complaints = append(t.complaints, e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			t.complaints = append(t.complaints, e.ExceptionDetails.Text)
		case *page.EventJavascriptDialogOpening:
			t.complaints = append(t.complaints, "a dialog: "+e.Message)
		}
	}); err != nil {
		tb.Fatal(err)
	}
	call(t, log.Enable, cdp.Empty{})
	t.scripts(false)
	return t
}

// call runs a command of the browser's protocol.
func call[P, R any](t *tab, command cdp.Command[P, R], params P) R {
	t.tb.Helper()
	result, err := chromedp.Call(t.ctx, command, params)
	if err != nil {
		t.tb.Fatal(err)
	}
	return result
}

// scripts lets the site run JavaScript, or not.
func (t *tab) scripts(on bool) {
	t.tb.Helper()
	call(t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

func (t *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	if err := chromedp.Do(t.ctx, actions...); err != nil {
		t.tb.Fatal(err)
	}
}

func (t *tab) open(path string) {
	t.tb.Helper()
	t.run(chromedp.Navigate(t.site.URL + path))
}

// size makes the window so wide, and chooses light or dark.
func (t *tab) size(width int64, scheme string) {
	t.tb.Helper()
	call(t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500})
	call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// eval evaluates JavaScript of the test's.
func eval[T any](t *tab, script string) (value T) {
	t.tb.Helper()
	value, err := chromedp.Run(t.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.tb.Fatalf("%.100s: %v", script, err)
	}
	return value
}

// login logs in, and waits for the page that follows.
func (t *tab) login(role, password, then string) {
	t.tb.Helper()
	t.open("/login")
	t.run(chromedp.SendKeys("#role", role), chromedp.SendKeys("#password", password), chromedp.Click("button.main"), chromedp.WaitReady(then))
}

func (t *tab) quiet() {
	t.tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.complaints {
		t.tb.Errorf("the browser complains: %s", c)
	}
	t.complaints = nil
}

// views are all that one can look at.
var views = map[string]string{
	"overview": "/", "roles": "/roles", "role": "/role?name=alice", "role-blocked": "/role?name=dave", "role-strange": "/role?name=o%27neil+%3Cb%3E%22x%22%3C%2Fb%3E%0A%26amp%3B",
	"path": "/role?name=alice&type=table&schema=mart&object=daily", "objects": "/objects", "object": "/object?type=table&schema=mart&name=daily",
	"object-owner": "/object?type=table&schema=sales&name=orders&privilege=INSERT",
	"object-code":  "/object?type=table&schema=sales&name=orders", "role-code": "/role?name=alice&type=table&schema=sales&object=orders",
	"changes": "/changes", "change": "/change?id=1", "drift": "/drift", "missing": "/nothing", "violations": "/violations", "as-of": "/as-of", "before": "/as-of?at=2020-01-01",
	"reviews": "/reviews", "requests": "/requests?all=1",
}

//go:embed testdata/accessible.js
var accessible string

// Every view is right at every width, in light and in dark: no side-scrolling, legible, named for who cannot see.
func TestViewsInBrowser(t *testing.T) {
	t.Parallel()
	b := newTab(t, newSite(t))
	b.open("/login")
	b.examine("login")
	b.login("auditor", password, ".counts")
	for name, path := range views {
		b.open(path)
		b.examine(name)
	}
	b.open("/as-of?at=" + value[string](t, "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"))
	b.examine("as-of-now")
	b.quiet()
	if *readme != "" {
		b.size(1024, "light")
		b.open("/")
		b.keep(*readme, chromedp.CaptureScreenshot())
	}
}

// examine looks at the open page, at all widths.
func (t *tab) examine(name string) {
	t.tb.Helper()
	for _, width := range []int64{360, 1024, 1920} {
		for _, scheme := range []string{"light", "dark"} {
			t.size(width, scheme)
			for _, problem := range eval[[]string](t, "("+accessible+")()") {
				t.tb.Errorf("%s, %d pixels, %s: %s", name, width, scheme, problem)
			}
			t.picture(fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
		}
	}
}

var (
	pictures = flag.String("page.pictures", "", "folder for a picture of each view at each width")
	readme   = flag.String("page.readme", "", "file for the picture in the README, docs/page.png")
)

// picture keeps a picture of all that is open, where there is a folder for it.
func (t *tab) picture(file string) {
	t.tb.Helper()
	if *pictures != "" {
		t.keep(filepath.Join(*pictures, file), chromedp.FullScreenshot(100))
	}
}

func (t *tab) keep(file string, take chromedp.Action[[]byte]) {
	t.tb.Helper()
	png, err := chromedp.Run(t.ctx, take)
	if err != nil {
		t.tb.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o600); err != nil {
		t.tb.Fatal(err)
	}
}

// A keyboard is enough: to log in, to skip the menu, to follow a link; and where the focus is can be seen.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(t, newSite(t))
	b.size(1024, "light")
	b.open("/login")
	if focused := eval[string](b, "document.activeElement.id"); focused != "role" {
		t.Errorf("the focus is on %q, want the role", focused)
	}
	b.run(chromedp.KeyEvent("auditor"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(password), chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(".counts"))
	b.run(chromedp.KeyEvent(kb.Tab))
	if text := eval[string](b, "document.activeElement.textContent"); text != "Skip to the content" {
		t.Errorf("the first stop is %q", text)
	}
	if !eval[bool](b, "document.activeElement.getBoundingClientRect().left >= 0 && getComputedStyle(document.activeElement).outlineStyle !== 'none'") {
		t.Error("the first stop cannot be seen")
	}
	b.run(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if !eval[bool](b, "document.getElementById('main').contains(document.activeElement)") {
		t.Error("the skip link does not lead to the content")
	}
	b.open("/roles")
	for range 40 {
		b.run(chromedp.KeyEvent(kb.Tab))
		if !eval[bool](b, "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'") {
			t.Errorf("the focus cannot be seen on %s", eval[string](b, "document.activeElement.outerHTML"))
		}
		if eval[bool](b, "document.activeElement.textContent === 'alice'") {
			b.run(chromedp.KeyEvent(kb.Enter), chromedp.WaitReady("#access"))
			if title := eval[string](b, "document.title"); !strings.HasPrefix(title, "Role alice") {
				t.Errorf("the link leads to %q", title)
			}
			return
		}
	}
	t.Error("the keyboard does not come to alice")
}

// A wrong password is told as an alert; a name that looks like markup, and what stands in rows, is text.
func TestLoginInBrowser(t *testing.T) {
	t.Parallel()
	b := newTab(t, newSite(t))
	b.size(1024, "light")
	b.login("auditor", "wrong", "[role=alert]")
	if text := eval[string](b, "document.querySelector('[role=alert]').textContent"); !strings.Contains(text, "does not accept") {
		t.Errorf("the alert is %q", text)
	}
	b.run(chromedp.SendKeys("#password", password), chromedp.Click("button.main"), chromedp.WaitReady(".counts"))
	b.open(views["role-strange"])
	b.scripts(true)
	b.run(chromedp.Reload(), chromedp.WaitReady("#access"))
	want := strings.ReplaceAll(strange, "\n", "↵")
	if name := eval[string](b, "document.querySelector('h1 bdi').textContent"); name != want {
		t.Errorf("the name is %q, want %q", name, want)
	}
	if title := eval[string](b, "document.title"); !strings.HasPrefix(title, "Role "+want) {
		t.Errorf("the title is %q", title)
	}
	if n := eval[int](b, "document.scripts.length"); n != 0 {
		t.Errorf("the page has %d scripts", n)
	}
	b.quiet()
}
