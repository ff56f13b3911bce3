"""How text looks: letters, headings, the header and its facts, cards."""

from typing import Final

TEXT: Final = """\
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 var(--sans);
  padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 3rem) 4rem; }
body > * { max-width: 60rem; margin-inline: auto; }
p { margin: 0 0 .75rem; max-width: 44rem; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.6rem, 5vw, 2.4rem); font-weight: 680; letter-spacing: -.022em;
  margin: 0 0 .35rem; }
h2 { font-size: 1.2rem; font-weight: 660; letter-spacing: -.012em; margin: 0 0 .4rem; }
h3 { font-size: 1rem; font-weight: 640; margin: 1.5rem 0 .4rem; }
section { margin-top: 3.25rem; }
a { color: var(--holds-ink); text-underline-offset: .18em; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--holds); outline-offset: 2px; }
code, pre, .mono { font-family: var(--mono); font-size: .9em; }
code, bdi, td, th, pre, li { unicode-bidi: isolate; overflow-wrap: anywhere; }
data { font-variant-numeric: tabular-nums; white-space: nowrap; }
.eyebrow { display: flex; gap: .55rem; align-items: center; color: var(--soft);
  font-size: .8rem; letter-spacing: .03em; margin-bottom: 1.4rem; }
.eyebrow svg { width: 22px; height: 22px; flex: none; }
.eyebrow path { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.eyebrow .canopy { fill: currentColor; stroke: none; }
.verdict { font-size: clamp(1.1rem, 3vw, 1.35rem); line-height: 1.4; letter-spacing: -.008em;
  margin-bottom: 1.5rem; max-width: 48rem; }
.verdict strong { font-weight: 680; }
.verdict.holds strong { color: var(--holds-ink); }
.verdict.fails strong { color: var(--fails-ink); }
.verdict.unasked strong { color: var(--unasked-ink); }
.sum { display: flex; flex-wrap: wrap; gap: .1rem .55rem; margin: .55rem 0 0; max-width: none;
  color: var(--soft); font-size: .93rem; }
.sum > b, .sum > span { white-space: nowrap; }
.sum b { color: var(--ink); font-weight: 640; }
.key { display: inline-block; width: .62em; height: .62em; border-radius: 50%;
  margin-right: .4em; background: var(--holds); print-color-adjust: exact; }
.key.fails { background: var(--fails); border-radius: 1px; transform: rotate(45deg) scale(.9); }
.key.expected { background: none; border: .17em solid var(--expected); border-radius: 1px;
  transform: rotate(45deg) scale(.9); }
.key.unasked { background: none; border: .13em solid var(--unasked); }
.key.suspect { background: var(--fails-tint); border: .15em solid var(--fails); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 12.5rem), 1fr));
  gap: .9rem 1.6rem; margin: 2rem auto 0; padding-top: 1.2rem; border-top: 1px solid var(--rule); }
.facts div { min-width: 0; }
.facts .two { grid-column: span 2; }
.facts .wide { grid-column: 1 / -1; }
dt { color: var(--soft); font-size: .78rem; letter-spacing: .02em; }
dd { margin: 0; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: clamp(1rem, 3vw, 1.6rem); margin-top: .9rem; }
.card.fails { border-top: 3px solid var(--fails); }
.card > :last-child { margin-bottom: 0; }
.soft { color: var(--soft); }
.small { font-size: .87rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
"""
