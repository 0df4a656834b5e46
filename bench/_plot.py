"""One plot as SVG: bars of ratios to the baseline, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench._figures import Figures
from bench._programs import PROGRAMS
from bench._rows import ROWS

__all__ = ["plot"]

_WIDTH = 760
_LABEL = 200
_BAR = 16
_MOST_WIDTH = 420
_CUT = 1.1
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
    # What asks no database would make the other bars too short to compare.
    stored = [one.ratio or 0 for one in shown if one.contender.program.has_database]
    widest = max(stored, default=1)
    parts, y = [f'<text class="title" x="8" y="20">{escape(title)}</text>'], _HEAD
    for row in ROWS:
        group = sorted((one for one in shown if one.row == row), key=_place)
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


def _place(one: Figures) -> int:
    return list(PROGRAMS).index(one.contender.name)


def _bar(one: Figures, y: int, widest: float) -> str:
    ratio = one.ratio or 0
    share = ratio / widest
    width = max(1.0, min(share, _CUT) * _MOST_WIDTH)
    label = f"{ratio:.1f}x" if share <= _CUT else f"{ratio:.1f}x (cut)"
    program = one.contender.program
    kind = "ours" if program.is_ours else "other" if program.has_database else "floor"
    middle = y + _BAR - 4
    name = escape(program.title.replace("`", ""))
    return (
        f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{name}</text>'
        f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
        f'<text x="{_LABEL + width + 6:.1f}" y="{middle}">{label}</text>'
    )
