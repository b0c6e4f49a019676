from __future__ import annotations

import pytest

from check_fragments import KINDS, problems
from members import ROOT

GOOD = '`flask-fs-core`: `LocalBackend` now does it.\n'


def test_the_real_fragments_are_right():
    assert problems(ROOT / 'changes') == []


@pytest.mark.parametrize('name', ['12.fixed.md', '+topic-2.added.md', '+topic.added.1.md', 'README.md'])
def test_good_names_are_taken(tmp_path, name):
    (tmp_path / name).write_text(GOOD)
    assert problems(tmp_path) == []


@pytest.mark.parametrize('name', ['topic.fixed.md', '12.fixes.md', '12.fixed.rst', '12.md', '+A b.fixed.md'])
def test_other_names_are_refused(tmp_path, name):
    (tmp_path / name).write_text(GOOD)
    assert len(problems(tmp_path)) == 1


@pytest.mark.parametrize(
    'text', ['', 'It works.', '`flask-fs-core` does it.', '`flask-fs-ftp`: does it.', '`flask-fs-core`: ']
)
def test_a_fragment_starts_with_its_distribution(tmp_path, text):
    (tmp_path / '1.fixed.md').write_text(text)
    assert len(problems(tmp_path)) == 1


def test_the_kinds_are_those_of_the_changelog():
    settings = (ROOT / 'pyproject.toml').read_text()
    assert [True] * len(KINDS) == [f'directory = "{kind}"' in settings for kind in KINDS]
