"""Settings of the documentation."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / '_ext'))

project = 'Flask-FS'
author = 'The Flask-FS authors'
copyright = author
release = importlib.metadata.version('flask-fs-core')
version = release

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.viewcode', 'flask_fs_reference']
source_suffix = {'.md': 'markdown'}
exclude_patterns = ['_build', '_ext']

# Dashes only: quotes in messages and code are to be read as they are.
smartquotes_action = 'De'

html_theme = 'furo'
html_title = f'Flask-FS {release}'

myst_enable_extensions = ['attrs_inline', 'colon_fence', 'deflist', 'fieldlist', 'substitution']
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
