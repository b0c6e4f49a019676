"""Names that are not ASCII, where the locale of the process is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import ast, sys
import flask_fs as fs
from flask_fs.backends.local import LocalBackend
backend = LocalBackend('kit', {'root': sys.argv[1]})
backend.write('ascii', b'1')
seen = []
for verb in ('read', 'exists', 'stat', 'open', 'remove', 'delete', 'path'):
    try:
        getattr(backend, verb)('\\xe9t\\xe9')
    except fs.InvalidFilename as error:
        seen.append(verb)
        reason = error.reason
for verb in (lambda: backend.write('\\xe9', b''), lambda: backend.copy('ascii', '\\xe9'), lambda: backend.move('ascii', '\\xe9')):
    try:
        verb()
    except fs.InvalidFilename:
        seen.append('written')
print(seen, reason, list(backend.list_files()))
"""


@pytest.mark.skipif(os.name == 'nt' or sys.platform == 'darwin', reason='file names are Unicode there')
def test_a_name_that_the_locale_cannot_encode_is_refused_with_a_cure(tmp_path: Path) -> None:
    variables = {**os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
    run = [sys.executable, '-c', SCRIPT, str(tmp_path)]
    printed = subprocess.run(run, env=variables, capture_output=True, text=True, encoding='ascii', check=True).stdout
    assert printed == (
        "['read', 'exists', 'stat', 'open', 'remove', 'delete', 'path', 'written', 'written', 'written'] "
        "the locale of this process encodes file names as ascii; set PYTHONUTF8=1 for names in UTF-8 ['ascii']\n"
    )
