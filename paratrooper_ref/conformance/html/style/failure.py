"""How a failure looks: its lines, its two numbers, what it is like; and badges."""

from typing import Final

FAILURE: Final = """\
.chain { list-style: none; display: flex; flex-wrap: wrap; gap: .9rem 0; padding: 2px 0;
  margin: 1.2rem 0 .9rem; overflow: hidden; }
.chain li { position: relative; flex: 0 0 4.35rem; text-align: center; font-size: .72rem;
  line-height: 1.25; color: var(--soft); padding-top: 2.9rem; overflow-wrap: normal; }
.chain li::before { content: ""; position: absolute; top: 1.2rem; left: -50%; width: 100%;
  border-top: 1.5px solid var(--rule); }
.chain li:first-child::before { content: none; }
.chain .bead { position: absolute; top: 0; left: 50%; width: 2.5rem; height: 2.5rem;
  margin-left: -1.25rem; border-radius: 1.25rem; display: grid; place-items: center;
  z-index: 1; font-size: .98rem; background: var(--card); border: 1.5px dashed var(--unasked);
  color: var(--soft); white-space: nowrap; overflow: hidden; print-color-adjust: exact; }
.chain .bead.long { width: 3.6rem; margin-left: -1.8rem; font-size: .7rem; }
.chain .agrees .bead { border: 1.5px solid var(--holds); background: var(--holds-tint);
  color: var(--holds-ink); }
.chain .departs .bead { border: 2px solid var(--fails); background: var(--fails);
  color: var(--card); font-weight: 700; border-radius: 8px; }
.chain .suspect .bead { border: 2px solid var(--fails); color: var(--fails-ink);
  background: var(--fails-tint); font-weight: 650; }
.chain .departs, .chain .suspect { color: var(--fails-ink); font-weight: 600; }
.chain .under { display: block; }
.twin { border-collapse: collapse; margin: .4rem 0 1rem; font-family: var(--mono);
  font-size: .88rem; }
.twin th, .twin td { padding: .16rem 1.4rem .16rem 0; text-align: left; font-weight: 400; }
.twin th { color: var(--soft); font-family: var(--sans); font-size: .8rem; }
.twin mark { background: none; color: var(--fails-ink); font-weight: 700;
  box-shadow: inset 0 -.14em var(--fails); }
.diff { margin: .5rem 0 .7rem; border-radius: 6px; overflow-x: auto; background: var(--paper);
  border: 1px solid var(--rule); font-size: .85rem; line-height: 1.65; }
.diff del, .diff ins { display: block; text-decoration: none; padding: 0 .9rem;
  white-space: pre; min-width: max-content; print-color-adjust: exact; overflow-wrap: normal; }
.diff del { background: var(--holds-tint); }
.diff ins { background: var(--fails-tint); }
.diff b { font-weight: 700; }
.diff del b { color: var(--holds-ink); text-decoration: underline; text-underline-offset: .2em; }
.diff ins b { color: var(--fails-ink); text-decoration: underline; text-underline-offset: .2em; }
.likes { list-style: none; padding: 0; margin: 0; }
.likes li + li { margin-top: 1.1rem; }
.badge { display: inline-block; padding: .04rem .5rem; border-radius: 99px; font-size: .78rem;
  font-weight: 600; white-space: nowrap; background: var(--holds-tint); color: var(--holds-ink);
  print-color-adjust: exact; }
.badge.fails { background: var(--fails-tint); color: var(--fails-ink); }
.badge.expected { background: var(--expected-tint); color: var(--expected-ink); }
.badge.unasked { background: var(--unasked-tint); color: var(--unasked-ink); }
pre.said { white-space: pre-wrap; background: var(--paper); border: 1px solid var(--rule);
  border-radius: 6px; padding: .6rem .9rem; margin: .5rem 0; }
figure { margin: 0; }
.figure { padding-left: 2.6rem; margin-top: 1rem; }
.keys { display: flex; flex-wrap: wrap; gap: .15rem 1.2rem; color: var(--soft);
  font-size: .84rem; margin: .7rem 0 0; }
"""
