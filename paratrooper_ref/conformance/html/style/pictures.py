"""How pictures look, whatever they show."""

from typing import Final

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
