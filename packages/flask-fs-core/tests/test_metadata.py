from __future__ import annotations

import json
import pickle

import pytest

from flask_fs.backends.metadata import Metadata


class Counting:
    asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return 'sha256:ab'


@pytest.fixture
def compute() -> Counting:
    return Counting()


@pytest.fixture
def metadata(compute: Counting) -> Metadata:
    return Metadata({'size': 1}, checksum=compute)


def test_nothing_is_computed_before_the_checksum_is_asked_for(metadata: Metadata, compute: Counting) -> None:
    assert metadata['size'] == 1
    assert metadata.get('size') == 1
    assert 'checksum' in metadata
    assert list(metadata) == ['size', 'checksum']
    assert len(metadata) == 2
    metadata['url'] = '/x'
    assert compute.asked == 0


@pytest.mark.parametrize(
    'look',
    [
        lambda m: m['checksum'],
        lambda m: m.get('checksum'),
        lambda m: m.pop('checksum'),
        lambda m: dict(m)['checksum'],
        lambda m: {**m}['checksum'],
        lambda m: dict(m.items())['checksum'],
        lambda m: list(m.values())[1],
        lambda m: m.copy()['checksum'],
        lambda m: (m | {})['checksum'],
        lambda m: ({} | m)['checksum'],
        lambda m: json.loads(json.dumps(m))['checksum'],
        lambda m: pickle.loads(pickle.dumps(m))['checksum'],
        lambda m: 'sha256:ab' if m == {'size': 1, 'checksum': 'sha256:ab'} else None,
        lambda m: 'sha256:ab' if 'sha256:ab' in repr(m) else None,
    ],
)
def test_however_it_is_looked_at_the_checksum_is_there(metadata: Metadata, compute: Counting, look: object) -> None:
    assert look(metadata) == 'sha256:ab'  # type: ignore[operator]
    assert compute.asked == 1


def test_it_is_computed_once(metadata: Metadata, compute: Counting) -> None:
    assert metadata['checksum'] == metadata['checksum']
    assert compute.asked == 1


def test_it_behaves_like_a_dictionary(metadata: Metadata) -> None:
    assert metadata.get('absent', 'd') == 'd'
    assert metadata.pop('absent', 'd') == 'd'
    with pytest.raises(KeyError):
        metadata['absent']


def test_items_and_values_can_be_reversed(metadata: Metadata) -> None:
    assert list(reversed(metadata.items())) == [('checksum', 'sha256:ab'), ('size', 1)]
    assert list(reversed(metadata.values())) == ['sha256:ab', 1]
