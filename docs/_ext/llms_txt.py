"""``llms.txt``, a list of all pages for programs that read the documentation, and ``llms-full.txt``, all of it as plain text.

See https://llmstxt.org. What the pages take from the code is in the full text too.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.io import StringOutput
from page_head import description
from sphinx.application import Sphinx
from sphinx.builders.text import TextBuilder
from sphinx.environment import BuildEnvironment
from sphinx.writers.text import TextWriter


def pages(env: BuildEnvironment, docname: str) -> list[str]:
    """*docname*, and all pages below it in the order of the navigation."""
    found = [docname]
    for child in env.toctree_includes.get(docname, ()):
        found += pages(env, child)
    return found


def write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != 'html':
        return
    env, root = app.env, app.config.root_doc
    builder = TextBuilder(app, env)
    builder.init()
    listed = [f'# {app.config.project}', f'> {description(app, root, env.get_doctree(root))}']
    for part in env.toctree_includes[root]:
        listed.append(f'## {env.titles[part].astext()}')
        lines = []
        for page in pages(env, part):
            link = app.config.html_baseurl + app.builder.get_target_uri(page)
            about = description(app, page, env.get_doctree(page))
            lines.append(f'- [{env.titles[page].astext()}]({link})' + (f': {about}' if about else ''))
        listed.append('\n'.join(lines))
    full = [text_of(builder, env.get_and_resolve_doctree(page, builder)) for page in pages(env, root)]
    Path(app.outdir, 'llms.txt').write_text('\n\n'.join(listed) + '\n', encoding='utf-8')
    Path(app.outdir, 'llms-full.txt').write_text('\n\n'.join(full), encoding='utf-8')


def text_of(builder: TextBuilder, doctree: nodes.document) -> str:
    # The text builder does not support tabs: their contents follow each other, each below its label.
    for node in list(doctree.findall(nodes.Element)):
        node.children = [shown(child) for child in node.children if child.tagname != 'sd_tab_input']
    writer = TextWriter(builder)
    writer.write(doctree, StringOutput(encoding='unicode'))
    return str(writer.output)


def shown(node: nodes.Node) -> nodes.Node:
    return nodes.paragraph('', f'{node.astext()}:') if node.tagname == 'sd_tab_label' else node


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect('build-finished', write)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
