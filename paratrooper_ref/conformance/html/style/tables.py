"""How tables look, and around them what folds, the tools and the foot."""

from typing import Final

TABLES: Final = """\
table.list { border-collapse: collapse; width: 100%; font-size: .88rem; margin-top: .6rem; }
caption { text-align: left; color: var(--soft); font-size: .87rem; padding-bottom: .6rem;
  max-width: 44rem; }
.list th { text-align: left; font-weight: 500; color: var(--soft); font-size: .8rem; }
.list th, .list td { padding: .34rem .9rem .34rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: middle; }
.list thead th { white-space: nowrap; overflow-wrap: normal; }
.list tbody th { color: var(--ink); font-family: var(--mono); font-size: .82rem; }
.list th button { all: unset; cursor: pointer; }
.list th button:hover { color: var(--ink); }
.list th button:focus-visible { outline: 2px solid var(--holds); outline-offset: 2px; }
.list th[aria-sort=ascending] button::after { content: " ↑"; }
.list th[aria-sort=descending] button::after { content: " ↓"; }
.list .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.list tbody tr:target { background: var(--holds-tint); }
.list tbody tr:hover { background: var(--unasked-tint); }
.list .axis { width: 8.5rem; }
.list .detail { color: var(--soft); }
.heat { border-collapse: separate; border-spacing: 3px 2px; width: 100%; font-size: .8rem;
  margin: .5rem -3px 0; table-layout: fixed; }
.heat th { font-weight: 400; text-align: left; padding: 0; line-height: 1.25; }
.heat thead th { color: var(--soft); vertical-align: bottom; }
.heat thead th:first-child { width: 36%; }
.heat tbody th { font-family: var(--mono); font-size: .74rem; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; padding-right: .6rem; }
.heat tbody th.fails { color: var(--fails-ink); font-weight: 600; }
.heat caption { padding-inline: 3px; }
.heat td { padding: 0; height: 14px; }
.heat .cell { width: 100%; height: 14px; }
.lines thead th:first-child { width: 30%; }
.lines thead th + th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  font-family: var(--mono); font-size: .7rem; white-space: nowrap; }
.few { width: auto; }
.few td, .few thead th + th { width: 2.2rem; }
.few thead th:first-child { width: 18rem; }
.lines td { position: relative; }
.lines td span { display: block; height: 14px; border-radius: 2px; print-color-adjust: exact; }
.lines .open { border: 1.5px dashed var(--unasked); opacity: .7; }
.lines .off { box-shadow: 0 0 0 1.5px var(--ink); }
.l0 { background: var(--l0); } .l1 { background: var(--l1); } .l2 { background: var(--l2); }
.l3 { background: var(--l3); } .l4 { background: var(--l4); } .l5 { background: var(--l5); }
.l6 { background: var(--l6); } .l7 { background: var(--l7); } .l8 { background: var(--l8); }
.legend { max-width: 30rem; margin: .2rem 0 .9rem; }
details { border-bottom: 1px solid var(--rule); padding: .45rem 0; }
summary { cursor: pointer; }
summary code { font-weight: 600; }
.reasons { padding-left: 1.1rem; }
.reasons li { margin-bottom: .5rem; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem; margin: .8rem 0 .4rem; align-items: center; }
.tools input { font: inherit; font-size: 16px; padding: .3rem .7rem; width: 15rem; max-width: 100%;
  border: 1px solid var(--rule); border-radius: 6px; background: var(--card); color: var(--ink); }
.tools button { font: inherit; font-size: .82rem; padding: .36rem .75rem; border-radius: 99px;
  cursor: pointer; border: 1px solid var(--rule); background: var(--card); color: var(--soft); }
.tools button[aria-pressed=true] { border-color: currentColor; color: var(--ink); }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--rule);
  color: var(--soft); font-size: .82rem; }
"""
