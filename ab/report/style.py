"""How the page looks: light, dark, on a phone and on paper. Blue and orange are told apart by all kinds of eyes."""

from ab.report.markup import Markup

# The palette is that of Okabe and Ito (2008), darkened on white until text in it has a contrast of 4.5.
STYLE = Markup("""
:root { --back: #ffffff; --text: #1b1f24; --soft: #57606a; --rule: #d0d7de; --rl: #0063a0; --control: #b34700;
  --bad: #b3261e; --warn-back: #fff4d6; --warn-edge: #b34700; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14181d; --text: #e6e9ed; --soft: #a3acb6; --rule: #3a424b; --rl: #56b4e9; --control: #f0a020;
    --bad: #ff8f85; --warn-back: #33290f; --warn-edge: #f0a020; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem 1.25rem 3rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
p, ul, dl, figcaption { max-width: 54rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 1rem 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
header p, figcaption, caption, .absent { color: var(--soft); }
.verdict { font-size: 1.25rem; line-height: 1.4; font-weight: 600; margin: 1rem 0; }
.warning { background: var(--warn-back); border-left: 5px solid var(--warn-edge); padding: .6rem .9rem;
  margin: .6rem 0; }
.bad { color: var(--bad); }
figure { margin: 1rem 0; }
figcaption { font-size: .875rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg.wide { max-width: 48rem; }
svg.square { max-width: 23.5rem; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .title { fill: var(--text); }
svg .name { font-weight: 600; }
svg .limit { fill: var(--control); }
.grid { stroke: var(--rule); stroke-width: 1; }
.axis, .zero { stroke: var(--soft); stroke-width: 1.2; }
.margin { stroke: var(--control); stroke-width: 1.5; stroke-dasharray: 6 4; }
.line polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.line.rl polyline { stroke: var(--rl); }
.line.fallback polyline { stroke: var(--control); stroke-dasharray: 7 4; }
.line.rl circle { fill: var(--rl); }
.line.fallback circle { fill: var(--control); }
svg .end.rl text { fill: var(--rl); }
svg .end.fallback text { fill: var(--control); }
.look line { stroke: var(--rl); stroke-width: 1.8; }
.look circle { fill: var(--back); stroke: var(--rl); stroke-width: 2; }
.look.significant circle { fill: var(--rl); }
.beyond { fill: var(--rl); stroke: var(--rl); }
.endless { fill: var(--back); stroke: var(--rl); stroke-width: 1.5; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; min-width: min(100%, 36rem); font-size: .875rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
.dense { font-size: .8125rem; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .3rem .45rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
th { font-weight: 600; }
th:first-child, .words th, .words td { text-align: left; }
th:first-child { padding-left: 0; }
tr > :last-child { padding-right: 0; }
time, .numbers td { white-space: nowrap; }
tbody th { font-weight: 400; }
.words td:last-child { min-width: 14rem; overflow-wrap: anywhere; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0; color: var(--soft); }
@media (max-width: 34rem) {
  body { padding: .5rem .75rem 2rem; }
  svg.wide text { font-size: 17px; }
  .verdict { font-size: 1.1rem; }
}
@media print {
  :root { --back: #ffffff; --text: #000000; --soft: #444444; --rule: #bbbbbb; --rl: #0063a0; --control: #b34700;
    --bad: #b3261e; --warn-back: #ffffff; --warn-edge: #b34700; }
  body { max-width: none; font-size: 11pt; }
  figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } .scroll { overflow: visible; }
}
""")
