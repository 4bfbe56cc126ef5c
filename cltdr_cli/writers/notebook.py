"""A result as a notebook shows it: the timeline as a picture, the best segments as a table."""

from __future__ import annotations

import base64
from html import escape

from cltdr_cli.plain_text import describe_hidden, segment_cells, segments_title
from cltdr_cli.segments import VideoResult
from cltdr_cli.writers.timeline_svg import draw_svg

_MOST_ROWS = 20


def draw_notebook(result: VideoResult) -> str:
    """HTML of a result. The picture is an ``img``, so that its style stays inside it."""
    visible = result.shown
    title = segments_title(visible, min(len(visible), _MOST_ROWS))
    hidden = describe_hidden(result.hidden_scores, result.display_score)
    picture = base64.b64encode(draw_svg([visible]).encode("utf-8")).decode("ascii")
    best = sorted(visible, key=lambda segment: -segment.score)[:_MOST_ROWS]
    head = "".join(f"<th>{name}</th>" for name in ("start", "end", "label", "score"))
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in segment_cells(s))}</tr>" for s in best)
    return (
        f'<div><img alt="timeline of {escape(title)}" style="max-width:100%" '
        f'src="data:image/svg+xml;base64,{picture}">'
        f"<table><caption>{escape(f'{title}; {hidden}' if hidden else title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
