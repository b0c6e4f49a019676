"""The report as Markdown."""

from __future__ import annotations

import html
import re

from .tables import Entry, Reports, Table, further, lists, overview

#: Characters with a meaning in Markdown, except those of HTML.
_SPECIAL = re.compile(r'([\\`*\[\]|])')
#: A class, a capability, or a check with its parameter; not a plain word.
_NAME = re.compile(r'(?=.*[A-Z_])\w+(\[[\w.-]*\])?', re.ASCII)


def markdown(reports: Reports, badge: str = '') -> str:
    """A table with a column for each test class, and lists and more tables below it.

    :param badge: The Markdown of the badge.
    """
    parts = [badge, table(overview(reports))]
    parts += [f'**{plain(title)}**\n\n{items(entries)}' for title, entries in lists(reports).items()]
    parts += [f'**{plain(each.title)}**\n\n{table(each)}' for each in further(reports)]
    return '\n\n'.join(part for part in parts if part) + '\n'


def table(content: Table) -> str:
    """A pipe table."""
    columns = ['', *map(plain, content.columns)]
    rows = [[code(heading), *(_cell(heading, cell) for cell in cells)] for heading, cells in content.rows]
    return '\n'.join(f'| {" | ".join(row)} |' for row in [columns, ['---'] * len(columns), *rows])


def items(entries: list[Entry]) -> str:
    """A list."""
    return '\n'.join(
        f'- {plain(name)}: {f"{code(check)} — " if check else ""}{plain(text)}' for name, check, text in entries
    )


def plain(text: str) -> str:
    """*text* in one line, with all markup escaped."""
    return _SPECIAL.sub(r'\\\1', html.escape(' '.join(text.split()), quote=False))


def code(text: str) -> str:
    """A name as code, other text as plain text."""
    return f'`{text}`' if _NAME.fullmatch(text) else plain(text)


def _cell(heading: str, text: str) -> str:
    if heading == 'backend':
        return code(text)
    return f'**{text}**' if text == 'broken' else plain(text)
