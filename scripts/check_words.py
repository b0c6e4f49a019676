"""Check that pages, docstrings, comments and messages use none of the words that words.toml advises against."""

from __future__ import annotations

import functools
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from members import ROOT, tomllib

__all__ = ['main', 'problems']

#: Where users and contributors read; tests may use any word.
PROSE = ('*.md', '*.py', '*.html')
TESTS = re.compile(r'(^|/)(tests|wheel_tests|broken_backends)/')
FENCE = re.compile(r'\s*(`{3,}|:{3,}|~{3,})')
#: Python 3.12 splits f-strings.
TOKENS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, 'FSTRING_MIDDLE', tokenize.STRING)}
#: What is quoted code, or a link's target.
CODE = re.compile(r'``.+?``|`[^`]+`|\]\([^)]*\)|<[^>]+>')


def problems(name: str, text: str, avoided: dict[str, str]) -> list[str]:
    """The words to be *avoided* in the file *name* with this *text*, one line each, with what to write instead."""
    found = []
    for number, line in _prose(name, text):
        prose = CODE.sub('``', line)
        if _any_of(tuple(avoided)).search(prose):
            for pattern, advice in avoided.items():
                matches = _any_of((pattern,)).finditer(prose)
                found += [f'{name}:{number}: {match[0]!r}: write {advice}' for match in matches]
    return found


@functools.cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf'\b(?:{"|".join(patterns)})\b', re.IGNORECASE)


def _prose(name: str, text: str) -> Iterator[tuple[int, str]]:
    """The lines meant for people, numbered from 1."""
    if name.endswith('.py'):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in TOKENS:
                for number, line in enumerate(token.string.splitlines(), token.start[0]):
                    yield number, line
        return
    fence = ''
    for number, line in enumerate(text.splitlines(), 1):
        marks = FENCE.match(line)
        if marks and '`' in marks[1] and (not fence or marks[1] == fence):
            fence = '' if fence else marks[1]
        elif not fence:
            yield number, line


def main() -> int:
    """The exit code: 0 if all is well."""
    avoided = tomllib.loads((ROOT / 'scripts/words.toml').read_text(encoding='utf-8'))['avoid']
    files = subprocess.run(['git', 'ls-files', *PROSE], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = [
        problem
        for name in files.splitlines()
        if not TESTS.search(name)
        for problem in problems(name, Path(ROOT, name).read_text(encoding='utf-8'), avoided)
    ]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
