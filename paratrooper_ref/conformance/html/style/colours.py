"""Colours, in light and in the dark.

Four of them carry meaning, and each has a shape or a word beside it: blue is within the bound,
vermilion is beyond it, amber is beyond it as expected, grey was not asked.  They stay apart
without red and green, and text in them has a contrast of 4.5 to 1 or more on its ground.
"""

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
