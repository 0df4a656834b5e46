"""One plot as SVG: bars of ratios to the guide, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench._figures import Figures
from bench._rows import ROWS

__all__ = ["plot"]

_WIDTH = 760
_LABEL = 200
_BAR = 16
_GAP = 4
_HEAD = 30
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.other { fill: #8c959f }
.ours { fill: #1a7f37 }
.floor { fill: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .other { fill: #6e7681 }
  .ours { fill: #3fb950 }
  .floor { fill: #30363d }
}
"""


def plot(title: str, figures: Sequence[Figures]) -> str:
    """Return the SVG of figures that have a ratio, a group of bars for each row."""
    shown = [one for one in figures if one.ratio]
    widest = max((one.ratio or 0 for one in shown), default=1)
    parts, y = [f'<text class="title" x="8" y="20">{escape(title)}</text>'], _HEAD
    for row in ROWS:
        group = [one for one in shown if one.row == row]
        if not group:
            continue
        parts.append(f'<text class="title" x="8" y="{y + 18}">{escape(ROWS[row].title)}</text>')
        y += _HEAD - 4
        for one in group:
            parts.append(_bar(one, y, widest))
            y += _BAR + _GAP
        y += _GAP
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + _GAP}" '
        f'width="{_WIDTH}" height="{y + _GAP}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _bar(one: Figures, y: int, widest: float) -> str:
    ratio = one.ratio or 0
    width = max(1.0, ratio / widest * (_WIDTH - _LABEL - 70))
    program = one.contender.program
    kind = "ours" if program.is_ours else "other" if program.has_database else "floor"
    middle = y + _BAR - 4
    name = escape(program.title.replace("`", ""))
    return (
        f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{name}</text>'
        f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
        f'<text x="{_LABEL + width + 6:.1f}" y="{middle}">{ratio:.1f}x</text>'
    )
