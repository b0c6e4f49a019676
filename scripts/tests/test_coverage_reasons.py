"""Each comment that excludes code from coverage gives a reason."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

from members import IMPORT_PACKAGES, ROOT, members

_PRAGMA = re.compile(r'#\s*pragma[:\s]?\s*no', re.IGNORECASE)
_WITH_REASON = re.compile(r'# pragma: no (cover|branch) - \S+ \S+')


def without_reason(source: str) -> list[str]:
    """The comments in *source* that exclude code from coverage without a reason of two or more words."""
    comments = [
        token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT
    ]
    return [
        f'line {token.start[0]}: {token.string}'
        for token in comments
        if _PRAGMA.match(token.string) and not _WITH_REASON.match(token.string)
    ]


def packages() -> list[Path]:
    """The import packages whose coverage is measured."""
    found = [(member.folder, IMPORT_PACKAGES[member.name]) for member in members()]
    return [folder / 'src' / package for folder, package in found if package]


@pytest.mark.parametrize('package', packages(), ids=lambda folder: folder.name)
def test_each_exception_from_the_coverage_has_its_reason(package):
    files = sorted(package.rglob('*.py'))
    assert files
    assert [
        f'{file.relative_to(ROOT)}, {found}' for file in files for found in without_reason(file.read_text('utf-8'))
    ] == []


@pytest.mark.parametrize(
    'comment', ['# pragma: no cover', '#pragma: NO COVER', '# pragma: no branch', '# pragma: no cover - Windows']
)
def test_an_exception_without_a_reason_is_found(comment):
    assert without_reason(f'try:\n    import fcntl  {comment}\nexcept ImportError: ...\n') == [f'line 2: {comment}']


@pytest.mark.parametrize(
    'line',
    ['import fcntl  # pragma: no cover - Windows has none', "text = '# pragma: no cover'", '# why no fork is here'],
)
def test_reasons_and_other_texts_are_no_finding(line):
    assert without_reason(f'{line}\n') == []
