"""Draws bars on a log scale as SVG, readable on light and on dark ground."""

from html import escape
from math import floor, log10

WIDTH, LABELS, RIGHT = 950, 220, 110
BAR, GAP, HEAD, TOP, BOTTOM = 14, 4, 30, 62, 30

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 }
.mix { font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 }
.ours { fill: #0969da }
.floor { fill: #8c959f }
.other { fill: #d4893b }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.grid { stroke: #3d444d }
.ours { fill: #4493f8 }
.floor { fill: #6e7681 }
.other { fill: #d29b5c }
}
"""


def number(value):
    """Three figures."""
    return f"{value:.{max(0, 2 - floor(log10(value)))}f}"


class Scale:
    """Decades that hold all values, from LABELS to the right margin."""

    def __init__(self, values):
        self.low = floor(log10(min(values)))
        self.high = floor(log10(max(values))) + 1

    def x(self, value):
        part = (log10(value) - self.low) / (self.high - self.low)
        return LABELS + part * (WIDTH - LABELS - RIGHT)

    def decades(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def draw_bar(y, name, value, note, kind, scale):
    yield (f'<text x="{LABELS - 8}" y="{y + BAR - 3}" text-anchor="end">{escape(name)}</text>')
    if value is None:
        yield f'<text class="small" x="{LABELS + 4}" y="{y + BAR - 3}">{escape(note)}</text>'
        return
    width = scale.x(value) - LABELS
    yield (f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
    yield (f'<text class="small" x="{LABELS + width + 6:.1f}" y="{y + BAR - 3}">'
           f'{number(value)}</text>')


def draw_grid(scale, bottom):
    for value in scale.decades():
        x = scale.x(value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield (f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
               f'{value:g}</text>')


def bars(title, subtitle, groups):
    """The SVG text. groups: (heading, [(name, value or None, note, kind)]); kind is "ours",
    "floor" or "other"."""
    scale = Scale([bar[1] for _, rows in groups for bar in rows if bar[1] is not None])
    y, parts = TOP, []
    for heading, rows in groups:
        parts.append(f'<text class="mix" x="{LABELS}" y="{y + HEAD - 9}">{escape(heading)}</text>')
        y += HEAD
        for name, value, note, kind in rows:
            parts.extend(draw_bar(y, name, value, note, kind, scale))
            y += BAR + GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + BOTTOM}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        f'<text class="small" x="16" y="46">{escape(subtitle)}</text>',
    ]
    return "\n".join([*head, *draw_grid(scale, y), *parts, "</svg>", ""])
