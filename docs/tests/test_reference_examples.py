"""The reference has an example for each class and function that it documents; sybil runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flask_fs as fs

pytestmark = pytest.mark.once

REFERENCE = Path(__file__).parents[1] / 'reference'
DOCUMENTED = re.compile(r'^\.\. auto(?:function|class|data|exception):: ([\w.]+)', re.MULTILINE)
EXAMPLE = re.compile(r'^```python\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def examples(page: str) -> tuple[str, set[str]]:
    """The text of *page*, and every name that its examples show."""
    text = (REFERENCE / page).read_text(encoding='utf-8')
    return text, {name for example in EXAMPLE.findall(text) for name in re.findall(r'\w+', example)}


@pytest.mark.parametrize('page', ['api.md', 'backend-api.md', 'images.md'])
def test_every_class_and_function_has_an_example(page):
    text, shown = examples(page)
    assert [name for name in DOCUMENTED.findall(text) if name.rpartition('.')[2] not in shown] == []


def test_every_method_of_a_storage_has_an_example():
    text, shown = examples('api.md')
    # `configure` is shown in a sentence.
    assert [name for name in dir(fs.Storage) if name[0] != '_' and name not in shown and f'.{name}(' not in text] == []
