"""HTML that screen readers understand, where that of Sphinx says something else than is meant."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

_PARAMETERS = re.compile(r'(<span class="sig-paren">[(\[]</span>)\s*<dl>(.*?)</dl>', re.DOTALL)
_LINK_TO_DOCS = re.compile(r'<a class="viewcode-back" href="[./]*([^"]+)\.html#([^"]+)">\[docs\]</a>')


def visit_entry(self: HTML5Translator, node: nodes.entry) -> None:
    """The corner of a table, which is empty, is no header of anything."""
    HTML5Translator.visit_entry(self, node)
    if not node.astext() and isinstance(node.parent.parent, nodes.thead):
        self.body[-1] = self.body[-1].replace('<th', '<td', 1)
        self.context[-1] = self.context[-1].replace('</th', '</td', 1)


def depart_entry(self: HTML5Translator, node: nodes.entry) -> None:
    HTML5Translator.depart_entry(self, node)


def without_lists(found: re.Match[str]) -> str:
    """The parameters of a signature on lines of their own: definitions of nothing, to Sphinx."""
    lines = found[2].replace('<dd>', '<span class="sig-line">').replace('</dd>', '</span>')
    return f'{found[1]}<span class="sig-lines">{lines}</span>'


def correct(app: Sphinx, pagename: str, _: str, context: dict[str, Any], __: nodes.document | None) -> None:
    if 'body' not in context:
        return
    context['body'] = _PARAMETERS.sub(without_lists, context['body'])
    if pagename.startswith('_modules/'):
        # A name that is documented where it can be imported from, not where it is defined, has no anchor for the latter.
        documented = {(entry.docname, name) for name, entry in app.env.domains.python_domain.objects.items()}
        context['body'] = _LINK_TO_DOCS.sub(
            lambda link: link[0] if link.groups() in documented else '', context['body']
        )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    app.connect('html-page-context', correct)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
