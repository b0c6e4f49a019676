"""Settings of the documentation."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / '_ext'))

project = 'Flask-FS'
author = 'The Flask-FS authors'
copyright = author
release = importlib.metadata.version('flask-fs-core')
version = release

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
    'sphinx_design',
    'accessible_html',
    'diagrams',
    'flask_fs_reference',
    'llms_txt',
    'page_head',
]
source_suffix = {'.md': 'markdown'}
exclude_patterns = ['_build', '_ext', '_templates']

# Dashes only: quotes in messages and code are to be read as they are.
smartquotes_action = 'De'

html_theme = 'furo'
html_title = f'Flask-FS {release}'
html_favicon = '_static/favicon.svg'
html_static_path = ['_static']
html_css_files = ['site.css']
html_js_files = [('site.js', {'defer': 'defer'})]
templates_path = ['_templates']
# Where the site is published, with a slash at its end. Links to it can be absolute only if this is known.
html_baseurl = os.environ.get('DOCS_URL', '')
pygments_style = 'a11y-high-contrast-light'
pygments_dark_style = 'a11y-high-contrast-dark'

_project_urls = dict(
    line.split(', ', 1) for line in importlib.metadata.metadata('flask-fs-core').get_all('Project-URL', [])
)
html_theme_options = {
    'source_repository': _project_urls['Source'] + '/',
    'source_branch': 'main',
    'source_directory': 'docs/',
    'light_css_variables': {
        'color-brand-primary': '#0b6b5c',
        'color-brand-content': '#0b6b5c',
        'color-brand-visited': '#4b5b8c',
        'color-code-background': '#f5f7f8',
    },
    'dark_css_variables': {
        'color-brand-primary': '#5fd3bc',
        'color-brand-content': '#5fd3bc',
        'color-brand-visited': '#a9b8f5',
    },
    'footer_icons': [
        {
            'name': 'Source code',
            'url': _project_urls['Source'],
            'html': '<svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.6"'
            ' aria-hidden="true"><path d="M5 4 1 8l4 4M11 4l4 4-4 4M9.5 2.5l-3 11"/></svg>',
            'class': '',
        },
    ],
}
html_sidebars = {
    '**': [
        'sidebar/brand.html',
        'sidebar/search.html',
        'sidebar/scroll-start.html',
        'sidebar/navigation.html',
        'sidebar/versions.html',
        'sidebar/scroll-end.html',
    ],
}
# Of every published version, {"name", "url"}. An older one is built with the list of today: DOCS_VERSIONS is its path.
_versions = Path(os.environ.get('DOCS_VERSIONS') or Path(__file__).parent / 'versions.json')
html_context = {'versions': json.loads(_versions.read_text(encoding='utf-8'))}

# Prompts and what commands print are not copied.
copybutton_prompt_text = '$ '
copybutton_only_copy_prompt_lines = True

myst_enable_extensions = ['attrs_inline', 'colon_fence', 'deflist', 'fieldlist', 'substitution']
# So written, code hosts draw them too.
myst_fence_as_directive = ['mermaid']
myst_heading_anchors = 3

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
python_maximum_signature_line_length = 110
autodoc_preserve_defaults = True

# Names of other projects cannot be linked without the network; a wrong name of our own stays an error.
_others = [
    'azure',
    'flask',
    'google',
    'requests',
    'sqlalchemy',
    'urllib3',
    'werkzeug',
    'click',
    'blinker',
    'jinja2',
    'pytest',
    *sys.stdlib_module_names,
]
# Type variables are no classes to be linked.
nitpick_ignore_regex = [
    # Keyword arguments, which the text below the signature explains; imported for type checkers alone.
    ('py:class', 'GivenAttributes'),
    ('py:class', r'flask_fs\w*(\.\w+)*\.[A-Z]'),
    ('py:.*', rf'({"|".join(map(re.escape, _others))})(\..*)?'),
]
