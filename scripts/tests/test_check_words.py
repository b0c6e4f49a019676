from __future__ import annotations

import pytest

from check_words import main, problems

AVOID = {r'tells?': 'reports', r'by hand': 'manually'}


def test_the_repository_uses_none_of_them():
    assert main() == 0


@pytest.mark.parametrize('text', ['It tells the size.', 'By hand', '> 1. Do it by hand.', '```\ncode\n```\nIt tells.'])
def test_prose_on_a_page_is_checked(text):
    assert len(problems('page.md', text, AVOID)) == 1


@pytest.mark.parametrize(
    'text',
    ['`tell()` returns it.', '```python\nstream.tell()\n```', '````\n```\ntell\n```\n````', 'It retells.', '[a](tell)'],
)
def test_code_and_other_words_on_a_page_are_not(text):
    assert problems('page.md', text, AVOID) == []


@pytest.mark.parametrize(
    'text', ['"""It tells."""', '# by hand', "raise ValueError(f'{x} tells')", '"""One.\n\nIt tells.\n"""']
)
def test_docstrings_comments_and_messages_are_checked(text):
    assert len(problems('module.py', text, AVOID)) == 1


def test_names_in_code_are_not():
    assert problems('module.py', 'tell = stream.tell()\n', AVOID) == []


def test_a_problem_says_where_it_is_and_what_to_write():
    assert problems('page.md', 'One.\nIt tells.', AVOID) == ["page.md:2: 'tells': write reports"]
