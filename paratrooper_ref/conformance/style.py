"""How a page of the kit looks, in light, in the dark and in print; and the little it can do.

Four colours carry meaning, and each has a shape or a word beside it: blue is within the bound,
vermilion is beyond it, amber is beyond it as expected, grey was not asked.  They stay apart
without red and green, and text in them has a contrast of 4.5 to 1 or more on its ground.
"""

from __future__ import annotations

from typing import Final

LIGHT: Final = """\
color-scheme: light;
--paper: #fcfbf8; --card: #ffffff; --ink: #1d2329; --soft: #59626b; --rule: #e4e1d9;
--holds: #0072b2; --fails: #d55e00; --expected: #e69f00; --unasked: #9aa1a8;
--holds-ink: #00619a; --fails-ink: #b04500; --expected-ink: #835300; --unasked-ink: #59626b;
--holds-tint: #e7f1f8; --fails-tint: #fdeee4; --expected-tint: #fdf3df; --unasked-tint: #eff0ef;
--l0: #eef0f0; --l1: #dcebf5; --l2: #b9d8ec; --l3: #86bde0; --l4: #4a98cb; --l5: #0b68a6;
--l6: #f7ad6b; --l7: #e06c12; --l8: #8f3200;"""

DARK: Final = """\
color-scheme: dark;
--paper: #121518; --card: #191d21; --ink: #e9e7e2; --soft: #a2abb3; --rule: #2c3238;
--holds: #4fb0ea; --fails: #f58442; --expected: #f2bd45; --unasked: #727b83;
--holds-ink: #7cc6f2; --fails-ink: #ffa26b; --expected-ink: #f2c765; --unasked-ink: #a2abb3;
--holds-tint: #14293a; --fails-tint: #38200f; --expected-tint: #33280f; --unasked-tint: #22272c;
--l0: #20262b; --l1: #1c3143; --l2: #1f4562; --l3: #245f8b; --l4: #3585bf; --l5: #6fbdee;
--l6: #9a440c; --l7: #dd6d22; --l8: #ffab73;"""

PICTURES: Final = """\
svg { display: block; overflow: visible; }
svg text { font: 11px/1 var(--sans); fill: var(--soft); font-variant-numeric: tabular-nums; }
.part.holds, .bar.holds, .dot.holds { fill: var(--holds); }
.part.fails, .bar.fails, .dot.fails { fill: var(--fails); }
.part.expected, .bar.expected, .dot.expected { fill: var(--expected); }
.part.unasked { fill: var(--unasked); }
.part { stroke: var(--paper); stroke-width: 1.5; }
.bar.unasked { fill: var(--paper); stroke: var(--unasked); }
.beyond { fill: var(--fails-tint); opacity: .6; }
.grid { stroke: var(--rule); }
.bound { stroke: var(--ink); stroke-width: 1.25; }
.cross { fill: none; stroke-width: 2; stroke-linecap: round; }
.cross.fails { stroke: var(--fails); }
.cross.expected { stroke: var(--expected); }
.hit { fill: transparent; }
a:hover > .hit, g:hover > .hit { fill: var(--ink); opacity: .07; }
svg .tick { text-anchor: end; }
svg .one { font-weight: 650; fill: var(--ink); }
svg .end, svg .step { text-anchor: middle; }
svg .end { fill: var(--fails-ink); font-weight: 650; }
svg .last { text-anchor: end; }
svg .note, svg .tick { paint-order: stroke; stroke: var(--paper); stroke-width: 3px;
  stroke-linejoin: round; }
.track { stroke: var(--rule); stroke-width: 1.5; }
.stem { stroke-width: 2.5; }
.stem.holds { stroke: var(--holds); }
.stem.fails { stroke: var(--fails); }
.stem.expected { stroke: var(--expected); }
.cell path { shape-rendering: crispEdges; }
.l0 { fill: var(--l0); } .l1 { fill: var(--l1); } .l2 { fill: var(--l2); }
.l3 { fill: var(--l3); } .l4 { fill: var(--l4); } .l5 { fill: var(--l5); }
.l6 { fill: var(--l6); } .l7 { fill: var(--l7); } .l8 { fill: var(--l8); }
"""
"""What the pictures need, on a page or alone."""

FONTS: Final = """\
--sans: Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
--mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;"""

SHEET: Final = f"""\
:root {{ {FONTS}
{LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{
{DARK} }} }}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 var(--sans);
  padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 3rem) 4rem; }}
body > * {{ max-width: 60rem; margin-inline: auto; }}
p {{ margin: 0 0 .75rem; max-width: 44rem; }}
h1, h2, h3 {{ line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; }}
h1 {{ font-size: clamp(1.6rem, 5vw, 2.4rem); font-weight: 680; letter-spacing: -.022em;
  margin: 0 0 .35rem; }}
h2 {{ font-size: 1.2rem; font-weight: 660; letter-spacing: -.012em; margin: 0 0 .4rem; }}
h3 {{ font-size: 1rem; font-weight: 640; margin: 1.5rem 0 .4rem; }}
section {{ margin-top: 3.25rem; }}
a {{ color: var(--holds-ink); text-underline-offset: .18em; text-decoration-thickness: 1px; }}
:focus-visible {{ outline: 2px solid var(--holds); outline-offset: 2px; }}
code, pre, .mono {{ font-family: var(--mono); font-size: .9em; }}
code, bdi, td, th, pre, li {{ unicode-bidi: isolate; overflow-wrap: anywhere; }}
data {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
.eyebrow {{ display: flex; gap: .55rem; align-items: center; color: var(--soft);
  font-size: .8rem; letter-spacing: .03em; margin-bottom: 1.4rem; }}
.eyebrow svg {{ width: 22px; height: 22px; flex: none; }}
.eyebrow path {{ fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }}
.eyebrow .canopy {{ fill: currentColor; stroke: none; }}
.verdict {{ font-size: clamp(1.1rem, 3vw, 1.35rem); line-height: 1.4; letter-spacing: -.008em;
  margin-bottom: 1.5rem; max-width: 48rem; }}
.verdict strong {{ font-weight: 680; }}
.verdict.holds strong {{ color: var(--holds-ink); }}
.verdict.fails strong {{ color: var(--fails-ink); }}
.verdict.unasked strong {{ color: var(--unasked-ink); }}
.sum {{ display: flex; flex-wrap: wrap; gap: .1rem .55rem; margin: .55rem 0 0; max-width: none;
  color: var(--soft); font-size: .93rem; }}
.sum > b, .sum > span {{ white-space: nowrap; }}
.sum b {{ color: var(--ink); font-weight: 640; }}
.key {{ display: inline-block; width: .62em; height: .62em; border-radius: 50%;
  margin-right: .4em; background: var(--holds); print-color-adjust: exact; }}
.key.fails {{ background: var(--fails); border-radius: 1px; transform: rotate(45deg) scale(.9); }}
.key.expected {{ background: none; border: .17em solid var(--expected); border-radius: 1px;
  transform: rotate(45deg) scale(.9); }}
.key.unasked {{ background: none; border: .13em solid var(--unasked); }}
.key.suspect {{ background: var(--fails-tint); border: .15em solid var(--fails); }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 12.5rem), 1fr));
  gap: .9rem 1.6rem; margin: 2rem auto 0; padding-top: 1.2rem; border-top: 1px solid var(--rule); }}
.facts div {{ min-width: 0; }}
.facts .two {{ grid-column: span 2; }}
.facts .wide {{ grid-column: 1 / -1; }}
dt {{ color: var(--soft); font-size: .78rem; letter-spacing: .02em; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
.card {{ background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: clamp(1rem, 3vw, 1.6rem); margin-top: .9rem; }}
.card.fails {{ border-top: 3px solid var(--fails); }}
.card > :last-child {{ margin-bottom: 0; }}
.soft {{ color: var(--soft); }}
.small {{ font-size: .87rem; }}
.hidden {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }}
.chain {{ list-style: none; display: flex; flex-wrap: wrap; gap: .9rem 0; padding: 2px 0;
  margin: 1.2rem 0 .9rem; overflow: hidden; }}
.chain li {{ position: relative; flex: 0 0 4.35rem; text-align: center; font-size: .72rem;
  line-height: 1.25; color: var(--soft); padding-top: 2.9rem; overflow-wrap: normal; }}
.chain li::before {{ content: ""; position: absolute; top: 1.2rem; left: -50%; width: 100%;
  border-top: 1.5px solid var(--rule); }}
.chain li:first-child::before {{ content: none; }}
.chain .bead {{ position: absolute; top: 0; left: 50%; width: 2.5rem; height: 2.5rem;
  margin-left: -1.25rem; border-radius: 1.25rem; display: grid; place-items: center;
  z-index: 1; font-size: .98rem; background: var(--card); border: 1.5px dashed var(--unasked);
  color: var(--soft); white-space: nowrap; overflow: hidden; print-color-adjust: exact; }}
.chain .bead.long {{ width: 3.6rem; margin-left: -1.8rem; font-size: .7rem; }}
.chain .agrees .bead {{ border: 1.5px solid var(--holds); background: var(--holds-tint);
  color: var(--holds-ink); }}
.chain .departs .bead {{ border: 2px solid var(--fails); background: var(--fails);
  color: var(--card); font-weight: 700; border-radius: 8px; }}
.chain .suspect .bead {{ border: 2px solid var(--fails); color: var(--fails-ink);
  background: var(--fails-tint); font-weight: 650; }}
.chain .departs, .chain .suspect {{ color: var(--fails-ink); font-weight: 600; }}
.chain .under {{ display: block; }}
.twin {{ border-collapse: collapse; margin: .4rem 0 1rem; font-family: var(--mono);
  font-size: .88rem; }}
.twin th, .twin td {{ padding: .16rem 1.4rem .16rem 0; text-align: left; font-weight: 400; }}
.twin th {{ color: var(--soft); font-family: var(--sans); font-size: .8rem; }}
.twin mark {{ background: none; color: var(--fails-ink); font-weight: 700;
  box-shadow: inset 0 -.14em var(--fails); }}
.diff {{ margin: .5rem 0 .7rem; border-radius: 6px; overflow-x: auto; background: var(--paper);
  border: 1px solid var(--rule); font-size: .85rem; line-height: 1.65; }}
.diff del, .diff ins {{ display: block; text-decoration: none; padding: 0 .9rem;
  white-space: pre; min-width: max-content; print-color-adjust: exact; overflow-wrap: normal; }}
.diff del {{ background: var(--holds-tint); }}
.diff ins {{ background: var(--fails-tint); }}
.diff b {{ font-weight: 700; }}
.diff del b {{ color: var(--holds-ink); text-decoration: underline; text-underline-offset: .2em; }}
.diff ins b {{ color: var(--fails-ink); text-decoration: underline; text-underline-offset: .2em; }}
.likes {{ list-style: none; padding: 0; margin: 0; }}
.likes li + li {{ margin-top: 1.1rem; }}
.badge {{ display: inline-block; padding: .04rem .5rem; border-radius: 99px; font-size: .78rem;
  font-weight: 600; white-space: nowrap; background: var(--holds-tint); color: var(--holds-ink);
  print-color-adjust: exact; }}
.badge.fails {{ background: var(--fails-tint); color: var(--fails-ink); }}
.badge.expected {{ background: var(--expected-tint); color: var(--expected-ink); }}
.badge.unasked {{ background: var(--unasked-tint); color: var(--unasked-ink); }}
pre.said {{ white-space: pre-wrap; background: var(--paper); border: 1px solid var(--rule);
  border-radius: 6px; padding: .6rem .9rem; margin: .5rem 0; }}
figure {{ margin: 0; }}
.figure {{ padding-left: 2.6rem; margin-top: 1rem; }}
.keys {{ display: flex; flex-wrap: wrap; gap: .15rem 1.2rem; color: var(--soft);
  font-size: .84rem; margin: .7rem 0 0; }}
{PICTURES}\
table.list {{ border-collapse: collapse; width: 100%; font-size: .88rem; margin-top: .6rem; }}
caption {{ text-align: left; color: var(--soft); font-size: .87rem; padding-bottom: .6rem;
  max-width: 44rem; }}
.list th {{ text-align: left; font-weight: 500; color: var(--soft); font-size: .8rem; }}
.list th, .list td {{ padding: .34rem .9rem .34rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: middle; }}
.list thead th {{ white-space: nowrap; overflow-wrap: normal; }}
.list tbody th {{ color: var(--ink); font-family: var(--mono); font-size: .82rem; }}
.list th button {{ all: unset; cursor: pointer; }}
.list th button:hover {{ color: var(--ink); }}
.list th button:focus-visible {{ outline: 2px solid var(--holds); outline-offset: 2px; }}
.list th[aria-sort=ascending] button::after {{ content: " ↑"; }}
.list th[aria-sort=descending] button::after {{ content: " ↓"; }}
.list .n {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
.list tbody tr:target {{ background: var(--holds-tint); }}
.list tbody tr:hover {{ background: var(--unasked-tint); }}
.list .axis {{ width: 8.5rem; }}
.list .detail {{ color: var(--soft); }}
.heat {{ border-collapse: separate; border-spacing: 3px 2px; width: 100%; font-size: .8rem;
  margin: .5rem -3px 0; table-layout: fixed; }}
.heat th {{ font-weight: 400; text-align: left; padding: 0; line-height: 1.25; }}
.heat thead th {{ color: var(--soft); vertical-align: bottom; }}
.heat thead th:first-child {{ width: 36%; }}
.heat tbody th {{ font-family: var(--mono); font-size: .74rem; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; padding-right: .6rem; }}
.heat tbody th.fails {{ color: var(--fails-ink); font-weight: 600; }}
.heat caption {{ padding-inline: 3px; }}
.heat td {{ padding: 0; height: 14px; }}
.heat .cell {{ width: 100%; height: 14px; }}
.lines thead th:first-child {{ width: 30%; }}
.lines thead th + th {{ writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  font-family: var(--mono); font-size: .7rem; white-space: nowrap; }}
.few {{ width: auto; }}
.few td, .few thead th + th {{ width: 2.2rem; }}
.few thead th:first-child {{ width: 18rem; }}
.lines td {{ position: relative; }}
.lines td span {{ display: block; height: 14px; border-radius: 2px; print-color-adjust: exact; }}
.lines .open {{ border: 1.5px dashed var(--unasked); opacity: .7; }}
.lines .off {{ box-shadow: 0 0 0 1.5px var(--ink); }}
.l0 {{ background: var(--l0); }} .l1 {{ background: var(--l1); }} .l2 {{ background: var(--l2); }}
.l3 {{ background: var(--l3); }} .l4 {{ background: var(--l4); }} .l5 {{ background: var(--l5); }}
.l6 {{ background: var(--l6); }} .l7 {{ background: var(--l7); }} .l8 {{ background: var(--l8); }}
.legend {{ max-width: 30rem; margin: .2rem 0 .9rem; }}
details {{ border-bottom: 1px solid var(--rule); padding: .45rem 0; }}
summary {{ cursor: pointer; }}
summary code {{ font-weight: 600; }}
.reasons {{ padding-left: 1.1rem; }}
.reasons li {{ margin-bottom: .5rem; }}
.tools {{ display: flex; flex-wrap: wrap; gap: .5rem; margin: .8rem 0 .4rem; align-items: center; }}
.tools input {{ font: inherit; font-size: 16px; padding: .3rem .7rem; width: 15rem; max-width: 100%;
  border: 1px solid var(--rule); border-radius: 6px; background: var(--card); color: var(--ink); }}
.tools button {{ font: inherit; font-size: .82rem; padding: .36rem .75rem; border-radius: 99px;
  cursor: pointer; border: 1px solid var(--rule); background: var(--card); color: var(--soft); }}
.tools button[aria-pressed=true] {{ border-color: currentColor; color: var(--ink); }}
footer {{ margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--rule);
  color: var(--soft); font-size: .82rem; }}
@media (max-width: 640px) {{
  section {{ margin-top: 2.5rem; }}
  .facts .two {{ grid-column: auto; }}
  .card {{ margin-inline: -.35rem; }}
  .chain li {{ flex-basis: 25%; }}
  .twin, .twin tbody, .twin tr, .twin td {{ display: block; }}
  .twin thead {{ display: none; }}
  .twin tr {{ margin-bottom: .5rem; }}
  .twin th, .twin td {{ padding-right: 0; }}
  .list.many, .list.many tbody {{ display: block; }}
  .list.many thead {{ position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }}
  .list.many tr {{ display: grid; grid-template-columns: 1fr auto; gap: .1rem .9rem;
    padding: .65rem 0; border-bottom: 1px solid var(--rule); align-items: center; }}
  .list.many th, .list.many td {{ border: 0; padding: 0; }}
  .list.many tbody th {{ grid-column: 1 / -1; }}
  .list.many .axis {{ width: auto; }}
  .list.many .where {{ grid-column: 1 / -1; font-size: .8rem; }}
  .list.many .where:empty, .list.many .axis:empty {{ display: none; }}
  .list.many .n[data-label]::before {{ content: attr(data-label) " "; color: var(--soft); }}
  .list.many .n[data-label] {{ font-size: .8rem; text-align: left; color: var(--soft); }}
  .heat, .heat tbody, .heat thead, caption {{ display: block; width: auto; margin: 0; }}
  .heat caption {{ padding-inline: 0; }}
  .heat tr {{ display: flex; flex-wrap: wrap; gap: 2px 3px; padding-bottom: 5px; }}
  .heat tbody th, .heat thead th:first-child {{ flex: 0 0 100%; width: auto; }}
  .heat thead tr {{ position: sticky; top: 0; }}
  .heat thead th:first-child {{ display: none; }}
  .heat td, .heat thead th + th {{ flex: 1 1 0; min-width: 0; display: block; overflow: hidden; }}
  .lines td, .lines thead th + th {{ overflow: visible; }}
  .lines tr {{ gap: 2px 1.5px; }}
  .legend text {{ font-size: 9px; }}
}}
@media print {{
  :root {{ --paper: #ffffff; }}
  body {{ padding: 0; font-size: 9.5pt; }}
  table.list {{ font-size: 7.5pt; }}
  .list th, .list td {{ padding: 2pt 6pt 2pt 0; }}
  .list tbody th, .list .where {{ font-size: 7pt; overflow-wrap: normal; }}
  .badge {{ font-size: 7pt; padding: 0 4pt; }}
  .list .axis {{ width: 5rem; }}
  .tools {{ display: none; }}
  section {{ margin-top: 1.6rem; break-inside: auto; }}
  h2, h3, caption {{ break-after: avoid; }}
  tr, figure, li, .diff, .chain, .twin {{ break-inside: avoid; }}
  .cell, .strip, .proportions, .legend, .mini {{ print-color-adjust: exact; }}
  details::details-content {{ content-visibility: visible; height: auto; display: block; }}
  a[href^=http]::after {{ content: " (" attr(href) ")"; color: var(--soft); font-size: .85em; }}
}}
"""

SCRIPT: Final = """\
(function () {
  var table = document.getElementById("cases");
  if (!table) return;
  var body = table.tBodies[0], rows = Array.from(body.rows), off = {};
  function said(row, i) {
    var cell = row.cells[i], data = cell.querySelector("data");
    if (!data) return cell.textContent.trim() || null;
    var x = data.value;
    return x === "inf" || x === "nan" ? Infinity : x === "-inf" ? -Infinity : Number(x);
  }
  Array.from(table.tHead.rows[0].cells).forEach(function (head, i) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.appendChild(button);
    button.addEventListener("click", function () {
      var down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      Array.from(head.parentNode.cells).forEach(function (h) { h.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
      rows.sort(function (a, b) {
        var x = said(a, i), y = said(b, i);
        if (x === null || y === null) return (x === null) - (y === null);
        return (x < y ? -1 : x > y ? 1 : 0) * down;
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
  var tools = document.createElement("div"), find = document.createElement("input");
  tools.className = "tools";
  find.type = "search";
  find.placeholder = "Find a case";
  find.setAttribute("aria-label", "Find a case");
  tools.appendChild(find);
  function show() {
    var words = find.value.toLowerCase().split(/\\s+/);
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      row.hidden = off[row.dataset.verdict] === true
        || !words.every(function (word) { return text.includes(word); });
    });
  }
  find.addEventListener("input", show);
  var verdicts = rows.map(function (row) { return row.dataset.verdict; });
  verdicts = verdicts.filter(function (v, i) { return verdicts.indexOf(v) === i; });
  if (verdicts.length > 1) verdicts.forEach(function (verdict) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = verdict;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", function () {
      off[verdict] = !off[verdict];
      button.setAttribute("aria-pressed", String(!off[verdict]));
      show();
    });
    tools.appendChild(button);
  });
  table.parentNode.insertBefore(tools, table);
})();
"""
