"""Runs the ``python`` blocks of the READMEs and of the documentation as tests.

Each document gets an empty working directory of its own and one set of names, so later blocks can use earlier ones.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser


def enter_directory(names: dict[str, Any]) -> None:
    names['_directory'] = tempfile.TemporaryDirectory()
    names['_came_from'] = os.getcwd()
    os.chdir(names['_directory'].name)


def leave_directory(names: dict[str, Any]) -> None:
    os.chdir(names['_came_from'])
    names['_directory'].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    # One for each depth: here ** is no more than *.
    patterns=['README.md', 'testing/README.md', 'packages/*/README.md', 'docs/*.md', 'docs/*/*.md', 'docs/*/*/*.md'],
    # That page is a project of several files: testing/tests/test_write_a_backend_page.py makes it.
    excludes=['docs/how-to/write-a-backend.md'],
    setup=enter_directory,
    teardown=leave_directory,
).pytest()
