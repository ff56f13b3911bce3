"""What is otherwise on a narrow screen, and in print."""

from typing import Final

NARROW: Final = """\
@media (max-width: 640px) {
  section { margin-top: 2.5rem; }
  .facts .two { grid-column: auto; }
  .card { margin-inline: -.35rem; }
  .chain li { flex-basis: 25%; }
  .twin, .twin tbody, .twin tr, .twin td { display: block; }
  .twin thead { display: none; }
  .twin tr { margin-bottom: .5rem; }
  .twin th, .twin td { padding-right: 0; }
  .list.many, .list.many tbody { display: block; }
  .list.many thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .list.many tr { display: grid; grid-template-columns: 1fr auto; gap: .1rem .9rem;
    padding: .65rem 0; border-bottom: 1px solid var(--rule); align-items: center; }
  .list.many th, .list.many td { border: 0; padding: 0; }
  .list.many tbody th { grid-column: 1 / -1; }
  .list.many .axis { width: auto; }
  .list.many .where { grid-column: 1 / -1; font-size: .8rem; }
  .list.many .where:empty, .list.many .axis:empty { display: none; }
  .list.many .n[data-label]::before { content: attr(data-label) " "; color: var(--soft); }
  .list.many .n[data-label] { font-size: .8rem; text-align: left; color: var(--soft); }
  .heat, .heat tbody, .heat thead, caption { display: block; width: auto; margin: 0; }
  .heat caption { padding-inline: 0; }
  .heat tr { display: flex; flex-wrap: wrap; gap: 2px 3px; padding-bottom: 5px; }
  .heat tbody th, .heat thead th:first-child { flex: 0 0 100%; width: auto; }
  .heat thead tr { position: sticky; top: 0; }
  .heat thead th:first-child { display: none; }
  .heat td, .heat thead th + th { flex: 1 1 0; min-width: 0; display: block; overflow: hidden; }
  .lines td, .lines thead th + th { overflow: visible; }
  .lines tr { gap: 2px 1.5px; }
  .legend text { font-size: 9px; }
}
"""

PRINT: Final = """\
@media print {
  :root { --paper: #ffffff; }
  body { padding: 0; font-size: 9.5pt; }
  table.list { font-size: 7.5pt; }
  .list th, .list td { padding: 2pt 6pt 2pt 0; }
  .list tbody th, .list .where { font-size: 7pt; overflow-wrap: normal; }
  .badge { font-size: 7pt; padding: 0 4pt; }
  .list .axis { width: 5rem; }
  .tools { display: none; }
  section { margin-top: 1.6rem; break-inside: auto; }
  h2, h3, caption { break-after: avoid; }
  tr, figure, li, .diff, .chain, .twin { break-inside: avoid; }
  .cell, .strip, .proportions, .legend, .mini { print-color-adjust: exact; }
  details::details-content { content-visibility: visible; height: auto; display: block; }
  a[href^=http]::after { content: " (" attr(href) ")"; color: var(--soft); font-size: .85em; }
}
"""
