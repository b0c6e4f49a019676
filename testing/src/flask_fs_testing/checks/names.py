"""Which names are accepted, and which are rejected."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import pytest

import flask_fs as fs

from ..guarantees import check
from ..harness import Harness

HOSTILE = (
    '', '/', '/etc/passwd', '..', '../x', 'a/../b', 'a/..', '.', './a', 'a/./b', 'a//b', 'a/', 'a\\b', '..\\x', 'a\0b',
    'a\nb', 'a\x7fb', 'a\ud800b', '.fs-tmp-1', 'a/.fs-tmp-1', 'a' * 1025, 'é' * 513,
)  # fmt: skip
ODD = (
    'a b', ' a ', 'a#b', 'a?b=c', 'a%20b', 'a%2Fb', '%2e%2e/x', 'a+b', 'a&b;c', "it's", 'say "hi"', 'a:b', 'a@b', 'a*b',
    '<b>', 'a|b', '~a', '$HOME', '{a}[b]', 'été', 'e\u0301te\u0301', '日本語.png', '🎉', '.hidden', '...', '..a', '-rf',
    'a/b/c/d/e/f.txt', 'x' * 200, 'A B', 'ÉTÉ', 'a.', 'a,b', 'a=b', '^a$', '(a)', 'a\u200bb', 'a\xa0b',
)  # fmt: skip

#: Names that look like odd ones, begin like them, or differ as far as some stores see.
ABSENT = (
    'a', 'b', 'a ', ' a', 'A', 'a%2fb', 'a%20', 'a/b', 'a/b/c/d/e/f', '日本語', '日本語.pn', '.hidde', 'x' * 199, 'x' * 201, 'été.', 'ete',
    'A b', '\u200b',
)  # fmt: skip


class NameChecks:
    """Malicious and odd names."""

    @check(
        'the rules of names',
        cause='An overridden verb does not validate its names, or sanitizes them instead. Check this verb: BaseBackend validates in _key().',
    )
    def test_hostile_names_are_refused_by_every_verb(self, harness: Harness) -> None:
        """A name that could escape from the store, or that not every store can keep, is rejected and nothing is stored."""
        backend = harness.make()
        backend.write('present', b'x')
        before = harness.names_raw()
        verbs: tuple[Callable[[str], object], ...] = (
            backend.exists, backend.read, backend.read_chunks, backend.open, backend.stat, backend.metadata,
            backend.remove, backend.delete, lambda name: backend.write(name, b'x'),
            lambda name: backend.save(io.BytesIO(b'x'), name), lambda name: backend.copy(name, 'x'),
            lambda name: backend.copy('present', name), lambda name: backend.move(name, 'x'),
            lambda name: backend.move('present', name),
        )  # fmt: skip
        for name, verb in itertools.product(HOSTILE, verbs):
            with pytest.raises(fs.InvalidFilename):
                verb(name)
        assert harness.names_raw() == before

    @check(
        'the rules of names',
        cause='Names are not quoted in a URL, or are normalized, trimmed, compared ignoring case or split at a character. Check how each hook passes names on.',
    )
    def test_odd_names_make_the_round_trip(self, harness: Harness) -> None:
        """Every valid name is kept exactly, by the backend and in the store, and distinct from names that only look alike."""
        backend = harness.make()
        for name in ODD:
            backend.write(name, name.encode(), overwrite=False)
        assert sorted(backend.list_files()) == sorted(ODD)
        contents = {name: name.encode() for name in ODD}
        assert {name: backend.read(name) for name in ODD} == contents
        assert {name: harness.get_raw(name) for name in ODD} == contents
        assert [name for name in ABSENT if backend.exists(name)] == []
        for name in ODD:
            backend.delete(name)
        assert list(backend.list_files()) == []

    @check(
        'the setting PREFIX',
        cause='The prefix is missing from a key, or shows in a name in the metadata, a listing or an error. Check the names that _scan, _stat and _translate return.',
    )
    def test_a_key_prefix_is_invisible_in_names(self, harness: Harness) -> None:
        """With a key prefix, names are the same as without, and files outside the prefix are neither visible nor changed."""
        whole = harness.make()
        whole.write('inner/in', b'in')
        whole.write('outside', b'out')
        inner = harness.make(prefix='inner')
        assert list(inner.list_files()) == ['in']
        assert [info.name for info in inner.scan()] == ['in']
        assert inner.stat('in').name == 'in'
        inner.copy('in', 'copied')
        assert whole.read('inner/copied') == b'in'
        with pytest.raises(fs.FileExists) as caught:
            inner.write('in', b'', overwrite=False)
        assert caught.value.filename == 'in'
        inner.delete('outside')
        assert whole.read('outside') == b'out'
