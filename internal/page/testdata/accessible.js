() => {
  const problems = [];
  const say = (text, element) => problems.push(element ? text + ": " + element.outerHTML.slice(0, 160) : text);
  const shown = (e) => e.getClientRects().length > 0 && !e.closest(".unseen, .skip");

  // What is wider than the window makes the whole page scroll sideways.
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    say("the page is " + root.scrollWidth + " wide, in a window of " + root.clientWidth);
    for (const e of document.querySelectorAll("body *")) {
      if (e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest(".scroll, .skip, .unseen")) { say("too wide", e); break; }
    }
  }

  // Landmarks, title, language, headings in order.
  if (document.querySelectorAll("main").length !== 1) say("there must be one main");
  if (document.querySelectorAll("h1").length !== 1) say("there must be one h1");
  if (!document.title || !root.lang) say("title or language is missing");
  let last = 0;
  for (const h of document.querySelectorAll("h1, h2, h3")) {
    const level = Number(h.tagName[1]);
    if (level > last + 1) say("a level of headings is skipped", h);
    if (!h.textContent.trim()) say("an empty heading", h);
    last = level;
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) say("an id is there twice: " + ids.join(" "));
  for (const e of document.querySelectorAll("[aria-labelledby]")) {
    for (const id of e.getAttribute("aria-labelledby").split(" ")) if (!document.getElementById(id)) say("the label is missing", e);
  }

  // Whatever can be operated has a name, and whatever scrolls can be scrolled by keyboard.
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!e.labels.length) say("no label", e);
  }
  for (const e of document.querySelectorAll("a[href], button, summary")) if (!e.textContent.trim()) say("no name", e);
  for (const e of document.querySelectorAll("nav, [role=region]")) if (!e.getAttribute("aria-label")) say("a landmark without a name", e);
  for (const e of document.querySelectorAll(".scroll")) if (e.scrollWidth > e.clientWidth && e.tabIndex !== 0) say("scrolls, and has no focus", e);
  for (const e of document.querySelectorAll("th")) if (!e.scope) say("a header cell without scope", e);
  for (const e of document.querySelectorAll("table")) if (!e.querySelector("thead th")) say("a table without headers", e);
  for (const e of document.querySelectorAll("svg")) if (!e.querySelector("title")) say("a drawing without a title", e);
  for (const e of document.querySelectorAll("[style], script, [onclick], style")) say("the policy forbids it", e);

  // Contrast of texts, as WCAG 2 computes it: 4.5, or 3 for large ones.
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const color = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      if (e.tagName === "g" && e.querySelector("rect")) return color(getComputedStyle(e.querySelector("rect")).fill);
      const c = color(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return color(getComputedStyle(document.body).backgroundColor);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || seen.has(e) || !shown(e) || e.tagName === "OPTION" || e.tagName === "title") continue;
    seen.add(e);
    const style = getComputedStyle(e);
    const ink = color(e.closest("svg") ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(ground(e))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) say("contrast " + contrast.toFixed(2), e);
  }
  return problems.slice(0, 10);
}
