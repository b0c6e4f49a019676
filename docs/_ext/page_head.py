"""What search engines, link previews and the site's own search learn of each page.

A page's description is ``description`` in its front matter, or else its first paragraph. ``docs/search-terms.yaml`` has the
words by which the search finds a page that calls the thing by another name.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

SEARCH_TERMS = Path(__file__).parents[1] / 'search-terms.yaml'
#: Search engines show about as many characters.
MAX_DESCRIPTION_CHARS = 200


def search_terms() -> dict[str, list[str]]:
    """The terms of each page, by its name without suffix."""
    return yaml.safe_load(SEARCH_TERMS.read_text(encoding='utf-8')) or {}


class AddSearchTerms(SphinxTransform):
    """Index entries, which the search ranks as high as titles, and keywords, whose single words it finds as those of the text."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        self.env.note_dependency(str(SEARCH_TERMS))
        if terms := search_terms().get(self.env.current_document.docname):
            index = addnodes.index(entries=[('single', term, '', 'main', None) for term in terms], inline=False)
            self.document.insert(0, [index, nodes.meta(name='keywords', content=', '.join(terms))])


def description(app: Sphinx, pagename: str, doctree: nodes.document | None) -> str:
    """What the page is about, in a sentence or two; empty for pages without a text, such as the index."""
    if given := app.env.metadata.get(pagename, {}).get('description'):
        return str(given)
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    text = next((p.astext() for p in paragraphs if isinstance(p.parent, nodes.section)), '')
    return shortened(' '.join(text.split()))


def shortened(text: str) -> str:
    """*text*, ended after a sentence or else a word where it is too long or announces what follows it on the page."""
    if len(text) <= MAX_DESCRIPTION_CHARS and not text.endswith(':'):
        return text
    sentences, end, _ = text[:MAX_DESCRIPTION_CHARS].rpartition('. ')
    if end:
        return f'{sentences}.'
    if len(text) <= MAX_DESCRIPTION_CHARS:
        return text.rstrip(':') + '.'
    return text[: MAX_DESCRIPTION_CHARS - 1].rpartition(' ')[0].rstrip(',;:') + '…'


def add_metadata(app: Sphinx, pagename: str, _: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    text = description(app, pagename, doctree)
    tags = {
        'og:type': 'website' if pagename == app.config.root_doc else 'article',
        'og:site_name': app.config.project,
        # It has the markup of a heading.
        'og:title': html.unescape(re.sub('<[^>]+>', '', str(context.get('title', '')))) or app.config.project,
    }
    if text:
        tags['og:description'] = text
    if base := app.config.html_baseurl:
        # Both have to be absolute.
        tags['og:url'] = base + app.builder.get_target_uri(pagename)
        tags['og:image'] = f'{base}_static/demo.png'
    lines = [f'<meta property="{name}" content="{html.escape(content)}">' for name, content in tags.items()]
    if text:
        lines.insert(0, f'<meta name="description" content="{html.escape(text)}">')
    context['metatags'] = context.get('metatags', '') + '\n'.join(['', *lines, ''])


def check_search_terms(_: Sphinx, env: BuildEnvironment) -> None:
    if unknown := search_terms().keys() - env.found_docs:
        raise ExtensionError(f'{SEARCH_TERMS.name} names pages that are not there: {", ".join(sorted(unknown))}')


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(AddSearchTerms)
    app.connect('env-check-consistency', check_search_terms)
    app.connect('html-page-context', add_metadata)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
