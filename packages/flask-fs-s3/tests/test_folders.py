"""One folder at a time: each page by one request, whatever is below it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_s3 import S3Backend

pytestmark = pytest.mark.slow

Watch = Callable[[Any], AbstractContextManager[list[str]]]
#: Others sort between a folder and what is in it, and two folders have an empty object that stands for them.
KEYS = (
    'a',
    'b.txt',
    'sub',
    'sub!',
    'sub.txt',
    'sub/x',
    'sub/y',
    'sub/deep/z',
    'sub0',
    'é/1',
    'é.txt',
    'm/',
    'q/',
    'q/1',
    'A',
)
TOP = (['A', 'a', 'b.txt', 'sub', 'sub!', 'sub.txt', 'sub0', 'é.txt'], ['m', 'q', 'sub', 'é'])


@pytest.fixture(params=['store', 'amazon', 'swift'])
def place(request: pytest.FixtureRequest) -> Any:
    """A fresh bucket on each kind of store."""
    return request.getfixturevalue(request.param)


def _pages(backend: S3Backend, prefix: str, limit: int) -> tuple[list[str], list[str], int]:
    files: list[str] = []
    folders: list[str] = []
    after, number = None, 0
    while number == 0 or after is not None:
        page = backend.folder(prefix, after=after, limit=limit)
        assert len(page.files) + len(page.folders) <= limit
        files += [info.name for info in page.files]
        folders += page.folders
        after, number = page.next, number + 1
        assert number <= len(KEYS)
    return files, folders, number


def test_each_entry_is_on_one_page(place: Any, sent: Watch) -> None:
    backend = place.make()
    for key in KEYS:
        place.put_raw(key, b'')
    for limit in (1, 2, 3, 5, 1000):
        for prefix, expected in (
            ('', TOP),
            ('sub', (['sub/x', 'sub/y'], ['sub/deep'])),
            ('sub/', (['sub/x', 'sub/y'], ['sub/deep'])),
            ('é', (['é/1'], [])),
            ('m', ([], [])),
            ('q', (['q/1'], [])),
            ('missing', ([], [])),
        ):
            with sent(backend) as operations:
                files, folders, pages = _pages(backend, prefix, limit)
            assert (sorted(files), sorted(folders)) == expected
            assert operations == ['ListObjectsV2'] * pages


def test_another_process_continues(store: Any, python: Callable[..., str]) -> None:
    for key in ('a', 'b', 'c/d', 'e'):
        store.put_raw(key, b'')
    page = store.make().folder(limit=2)
    code = """
        from flask_fs_s3 import S3Backend
        page = S3Backend('kit', given['settings']).folder(after=given['after'], limit=1000)
        print(json.dumps([[info.name for info in page.files], page.folders, page.next]))
    """
    given = {'settings': dict(store.settings()), 'after': page.next}
    assert [info.name for info in page.files] == ['a', 'b']
    assert python(code, given) == '[["e"], ["c"], null]'


def test_a_storage_with_a_prefix_sees_its_own_folder(store: Any) -> None:
    backend = store.make(prefix='ours')
    for key in ('ours/', 'ours/a', 'ours/b/c', 'oursa', 'other/x'):
        store.put_raw(key, b'content')
    page = backend.folder()
    assert ([(info.name, info.size) for info in page.files], page.folders, page.next) == ([('a', 7)], ['b'], None)
    assert page.files[0].etag is not None


def test_a_folder_of_no_bucket_is_empty(store: Any) -> None:
    page = store.make_missing().folder('x')
    assert (page.files, page.folders, page.next) == ([], [], None)


def test_a_page_that_the_store_never_gave_is_an_error_or_a_page(swift: Any) -> None:
    """What continues a listing may come from a URL."""
    swift.put_raw('a', b'')
    with pytest.raises(fs.BackendError, match='continuation token'):
        swift.make().folder(after='nonsense')
    assert [info.name for info in swift.make().folder(after='').files] == ['a']
