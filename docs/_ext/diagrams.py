"""Diagrams drawn from text: the part of Mermaid's language that the pages use, as SVG in the page.

Mermaid itself is a script that readers would load; this needs none, follows the colors of the page, light or dark, and code
hosts that know Mermaid draw the same text. ``accTitle`` and ``accDescr`` are what a screen reader says.

    sequenceDiagram                     flowchart TB
    participant A as Application        app["Your application"]
    A->>S: PUT photo.jpg                storage["Storage<br>names, types"]
    S-->>A: 200                         app -->|save, read| storage
    Note over A,S: Later
"""

from __future__ import annotations

import html
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

#: About the width of a character of the page's font, at the size that the style sheet gives diagrams, and of a line.
CHAR_PX, LINE_PX = 7.3, 18
PADDING_PX, GAP_PX = 12, 22
WIDTH_PX = 720


class diagram(nodes.General, nodes.Element):  # noqa: N801  # like other nodes
    """One drawing, with its source and what is said of it."""


class Message(NamedTuple):
    """An arrow from one participant to another; a note, if it has no arrow."""

    first: str
    last: str
    text: str
    arrow: str


class Edge(NamedTuple):
    """An arrow between two boxes of a chart."""

    source: str
    target: str
    text: str


@dataclass
class Drawing:
    """What is drawn so far, and how far down it reaches."""

    parts: list[str] = field(default_factory=list)
    height: float = 0

    def lines_of_text(self, x: float, y: float, lines: list[str], kind: str = '') -> None:
        """*lines* centered on *x*, the first with its middle at *y*."""
        shown = ''.join(
            f'<tspan x="{x:g}" y="{y + row * LINE_PX:g}">{html.escape(line)}</tspan>' for row, line in enumerate(lines)
        )
        self.parts.append(f'<text class="{kind}">{shown}</text>')

    def box(self, x: float, y: float, width: float, lines: list[str], kind: str = 'box') -> float:
        """A box with *lines*, centered on *x*; its height is returned."""
        height = len(lines) * LINE_PX + PADDING_PX
        self.parts.append(
            f'<g class="{kind}"><rect x="{x - width / 2:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'
        )
        self.lines_of_text(x, y + (PADDING_PX + LINE_PX) / 2, lines)
        self.parts.append('</g>')
        return height

    def arrow(self, x1: float, y1: float, x2: float, y2: float, kind: str = '') -> None:
        self.parts.append(f'<path class="arrow {kind}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}" marker-end="url(#arrowhead)"/>')


def wrapped(text: str, width: float) -> list[str]:
    """*text* in lines that fit into *width* pixels."""
    lines = [
        line
        for part in re.split(r'<br\s*/?>', text)
        for line in textwrap.wrap(part.strip(), max(8, int(width / CHAR_PX)), break_long_words=False)
    ]
    return lines or ['']


def sequence(lines: list[str]) -> Drawing:
    """Participants side by side, and below them what they send to each other."""
    participants: dict[str, str] = {}
    messages = []
    for line in lines:
        if found := re.fullmatch(r'participant (\w+)(?: as (.+))?', line):
            participants[found[1]] = found[2] or found[1]
        elif found := re.fullmatch(r'Note over (\w+)(?:,\s*(\w+))?:\s*(.+)', line):
            messages.append(Message(found[1], found[2] or found[1], found[3], ''))
        elif found := re.fullmatch(r'(\w+)(--?>>)(\w+):\s*(.+)', line):
            messages.append(Message(found[1], found[3], found[4], found[2]))
        else:
            raise ValueError(line)
    step = WIDTH_PX / len(participants)
    place = {name: step * (number + 0.5) for number, name in enumerate(participants)}
    drawing = Drawing()
    heads = {name: wrapped(label, step - 2 * GAP_PX) for name, label in participants.items()}
    top = max(map(len, heads.values())) * LINE_PX + PADDING_PX
    for name, label in heads.items():
        drawing.box(place[name], top - len(label) * LINE_PX - PADDING_PX + 1, step - GAP_PX, label)
    y = top + GAP_PX
    for message in messages:
        left, right = sorted((place[message.first], place[message.last]))
        if not message.arrow:
            width = right - left + step - GAP_PX
            y += drawing.box((left + right) / 2, y, width, wrapped(message.text, width - PADDING_PX), 'note')
        elif left == right:
            text = wrapped(message.text, step - GAP_PX - PADDING_PX)
            y += drawing.box(left, y, step - GAP_PX, text, 'work')
        else:
            text = wrapped(message.text, right - left - PADDING_PX)
            drawing.lines_of_text((left + right) / 2, y, text, 'label')
            y += (len(text) - 0.5) * LINE_PX + 2
            kind = 'response' if message.arrow == '-->>' else ''
            toward = 1 if place[message.last] > place[message.first] else -1
            drawing.arrow(place[message.first], y, place[message.last] - toward * 2, y, kind)
        y += GAP_PX
    lives = [f'<path class="life" d="M{x:g} {top + 1:g}V{y - GAP_PX / 2:g}"/>' for x in place.values()]
    drawing.parts[:0] = lives
    drawing.height = y
    return drawing


def flowchart(lines: list[str]) -> Drawing:
    """Boxes in rows, each below all that lead to it."""
    labels: dict[str, str] = {}
    edges = []
    for line in lines:
        if found := re.fullmatch(r'(\w+)\["(.+)"\]', line):
            labels[found[1]] = found[2]
        elif found := re.fullmatch(r'([\w& ]+?) -->(?:\|(.+)\|)? ([\w& ]+)', line):
            edges += [
                Edge(source, target, found[2] or '')
                for source in re.split(r' & ', found[1])
                for target in re.split(r' & ', found[3])
            ]
        else:
            raise ValueError(line)
    rank = dict.fromkeys(labels, 0)
    for _ in labels:
        for edge in edges:
            rank[edge.target] = max(rank[edge.target], rank[edge.source] + 1)
    rows = [[name for name in labels if rank[name] == number] for number in range(max(rank.values()) + 1)]
    drawing = Drawing()
    place: dict[str, tuple[float, float, float, float]] = {}
    y = 1.0
    for row in rows:
        step = WIDTH_PX / len(row)
        heights = []
        for number, name in enumerate(row):
            width = step - GAP_PX / 2
            x, shown = step * (number + 0.5), wrapped(labels[name], width - PADDING_PX)
            heights.append(drawing.box(x, y, width, shown))
            place[name] = (x, width, y, y + heights[-1])
        texts = {edge.text for edge in edges if edge.source in row and edge.text}
        y += max(heights) + GAP_PX * (2.2 if texts else 1.4)
    labeled = set()
    for edge in edges:
        x1, width1, _, bottom = place[edge.source]
        x2, width2, top, _ = place[edge.target]
        # Straight down where one is above the other, wherever both are.
        left, right = max(x1 - width1 / 2, x2 - width2 / 2), min(x1 + width1 / 2, x2 + width2 / 2)
        x = x1 if left <= x1 <= right and width1 <= width2 else x2 if left <= x2 <= right else (left + right) / 2
        drawing.arrow(x, bottom, x, top - 2)
        if edge.text and (edge.text, rank[edge.source]) not in labeled:
            labeled.add((edge.text, rank[edge.source]))
            drawing.lines_of_text(x, (bottom + top) / 2 - 2, [edge.text], 'label')
    drawing.height = y - GAP_PX * 1.4 + 2
    return drawing


def svg(source: str, number: int) -> tuple[str, str]:
    """The drawing of *source*, the *number*-th of its page, and its description."""
    kind, *lines = [line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith('%%')]
    said = {}
    rest = []
    for line in lines:
        if found := re.fullmatch(r'(accTitle|accDescr):\s*(.+)', line):
            said[found[1]] = found[2]
        else:
            rest.append(line)
    drawing = (sequence if kind == 'sequenceDiagram' else flowchart)(rest)
    title, description = said['accTitle'], said['accDescr']
    name = f'diagram-{number}'
    body = ''.join(drawing.parts).replace('#arrowhead', f'#{name}-arrowhead')
    return (
        f'<div class="diagram"><svg viewBox="0 0 {WIDTH_PX} {drawing.height:g}" role="img"'
        f' aria-labelledby="{name}-title {name}-text"><title id="{name}-title">{html.escape(title)}</title>'
        f'<desc id="{name}-text">{html.escape(description)}</desc><defs><marker id="{name}-arrowhead" viewBox="0 0 10 10"'
        ' refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>'
        f'{body}</svg></div>'
    ), f'{title}. {description}'


class Mermaid(SphinxDirective):
    """A block ``mermaid``."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        number = self.env.new_serialno('diagram')
        try:
            drawn, text = svg('\n'.join(self.content), number)
        except ValueError as error:
            raise self.error(f'docs/_ext/diagrams.py cannot draw the line: {error}') from error
        except KeyError as error:
            raise self.error(f'The diagram needs {error}, for readers who cannot see it or what it names.') from error
        return [diagram(svg=drawn, text=text)]


def visit_html(self: Any, node: diagram) -> None:
    self.body.append(node['svg'])
    raise nodes.SkipNode


def visit_text(self: Any, node: diagram) -> None:
    self.new_state()
    self.add_text(node['text'])
    self.end_state()
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(diagram, html=(visit_html, None), text=(visit_text, None))
    app.add_directive('mermaid', Mermaid)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
