"""How the page looks, and the policy that lets a browser apply it."""

import base64
import hashlib

# Every colour of text has a contrast of 4.5 to what it stands on (WCAG 2.2, 1.4.3).
STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f5f7fa; --line: #ccd3dc; --ink: #1a2230; --quiet: #54606f;
  --link: #0b5cad; --good: #14702f; --fair: #855300; --poor: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151c; --panel: #18202a; --line: #364252; --ink: #e4e9f0; --quiet: #9dabbb;
    --link: #79b8ff; --good: #5cc97b; --fair: #e3b341; --poor: #ff8a80;
  }
}
* { box-sizing: border-box; }
html { background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%; }
body {
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  margin: 0 auto; max-width: 64rem; overflow-wrap: break-word; padding: 1.25rem 1rem 2rem;
}
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
h1 { font-size: 1.4rem; line-height: 1.2; margin: 0 0 .35rem; }
h2 { font-size: 1.1rem; line-height: 1.3; margin: 0; scroll-margin-top: 1rem; }
p { margin: 0 0 .35rem; }
.quiet, footer { color: var(--quiet); font-size: .875rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; list-style: none; margin: .6rem 0 1.25rem; padding: 0; }
nav a { display: inline-block; padding: .2rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
caption { font-weight: 600; padding: 0 0 .2rem; text-align: left; }
th, td { border-top: 1px solid var(--line); padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-top: 0; color: var(--quiet); font-size: .8125rem; font-weight: 500; padding-bottom: .2rem; }
tbody th { font-weight: 500; }
.number { text-align: right; }
.overview { margin-bottom: 1.5rem; }
h2, .free { overflow-wrap: anywhere; }
section thead th:nth-child(1) { width: 32%; }
.overview :is(th, td):last-child { padding-left: .75rem; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; margin: 0 0 .75rem; }
section > div { padding: .75rem 1rem 1rem; }
section > .head { align-items: baseline; border-bottom: 1px solid var(--line); display: flex; gap: .75rem; padding: .65rem 1rem; }
.state { font-weight: 600; white-space: nowrap; }
.state::before { content: "\\25cf\\a0"; }
.poor.state::before { content: "\\25b2\\a0"; }
.fair.state::before { content: "\\25c6\\a0"; }
.waiting.state::before { content: "\\25cb\\a0"; }
.good { color: var(--good); } .fair { color: var(--fair); } .poor { color: var(--poor); }
.waiting { color: var(--quiet); }
.facts { display: grid; gap: .75rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); margin: .75rem 0 1rem; }
dt { color: var(--quiet); font-size: .8125rem; font-weight: 500; }
dd { margin: 0; }
.levels { display: flex; gap: 1.25rem; list-style: none; margin: 0; padding: 0; }
.levels b { font-size: 1.35rem; font-variant-numeric: tabular-nums; line-height: 1.2; }
.levels span { display: block; font-size: .8125rem; }
section table + *, section p + table { margin-top: 1.25rem; }
section table + p { margin-top: .6rem; }
:is(td, th, dd) p { margin: 0; }
section > div > :last-child { margin-bottom: 0; }
footer { margin-top: 1.25rem; }
@media (max-width: 40rem) {
  .wide { display: none; }
  table { font-size: .9375rem; }
  th, td { padding-right: .6rem; }
  .overview .state { white-space: normal; }
  h2 { font-size: 1rem; }
}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Forbids a browser everything but the page's own style, known by its hash."""
