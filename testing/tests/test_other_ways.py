"""Core's backends in other ways: inherited through a fork, and as a legacy custom backend."""

from __future__ import annotations

import hashlib
import inspect
import io
import multiprocessing
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, ClassVar

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.backends.legacy import LegacyDriver
from flask_fs_testing import BackendConformance, Harness, LocalHarness
from flask_fs_testing.checks.deleting import DeleteChecks
from flask_fs_testing.checks.listing import ListChecks
from flask_fs_testing.checks.metadata import MetadataChecks
from flask_fs_testing.checks.paging import PageChecks
from flask_fs_testing.checks.serving import ServeChecks

CHECKS = [name for name in dir(BackendConformance) if name.startswith('test_')]


class Inherited(LocalHarness):
    """Gives the child the backend that its parent made and used before the fork."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._inherited = super().make()
        self._inherited.write('before', b'')
        self._inherited.delete('before')

    def make(self, **more: Any) -> BaseBackend:
        return super().make(**more) if more else self._inherited


@pytest.mark.slow
@pytest.mark.parametrize('check', CHECKS)
def test_local_passes_every_check_with_a_backend_from_before_a_fork(check: str, tmp_path: Path) -> None:
    function = getattr(BackendConformance(), check)
    child = multiprocessing.get_context('fork').Process(target=function, args=(Inherited(tmp_path),))
    child.start()
    child.join()
    assert child.exitcode == 0


class OldStyle(BaseBackend):
    """A custom backend as older packages had them: verbs, no hooks, no capabilities."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.files: dict[str, bytes] = self.config.files
        self.written: dict[str, datetime] = {}

    def exists(self, filename: str) -> bool:
        return filename in self.files

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        content = self.read(filename)
        return io.BytesIO(content) if 'b' in mode else io.StringIO(content.decode())

    def read(self, filename: str) -> bytes:
        try:
            return self.files[filename]
        except KeyError:
            raise fs.FileNotFound(filename) from None

    def write(self, filename: str, content: Any) -> None:  # type: ignore[override]  # as it used to be
        self.files[filename] = self.as_binary(content)
        self.written[filename] = datetime.now(timezone.utc)

    def delete(self, filename: str) -> None:
        for name in list(self.files):
            if name == filename or name.startswith(f'{filename}/'):
                del self.files[name]

    def list_files(self) -> Iterator[str]:  # type: ignore[override]  # as it used to be
        return iter(list(self.files))

    def metadata(self, filename: str) -> dict[str, Any]:
        content = self.read(filename)
        checksum = f'sha256:{hashlib.sha256(content).hexdigest()}'
        return {'size': len(content), 'checksum': checksum, 'modified': self.written.get(filename)}


class OldStyleHarness(Harness):
    backend_class = OldStyle
    known_limits: ClassVar[Mapping[str, str]] = {
        'test_remove_removes_exactly_one_file': 'its delete takes what is under a name too, so remove refuses such a name'
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._files: dict[str, bytes] = {}

    def settings(self) -> Mapping[str, Any]:
        return {'files': self._files}

    missing_settings = settings

    def make(self, **more: Any) -> Any:
        return LegacyDriver(super().make(**more), 'kit')

    def put_raw(self, name: str, content: bytes) -> None:
        self._files[name] = content

    def get_raw(self, name: str) -> bytes:
        return self._files[name]

    def names_raw(self) -> list[str]:
        return sorted(self._files)


@pytest.mark.filterwarnings('ignore::flask_fs_testing.UndeclaredCapability')
class TestOldStyle(DeleteChecks, ListChecks, PageChecks, MetadataChecks, ServeChecks):
    """What verbs alone can promise: the rest needs hooks."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return OldStyleHarness(tmp_path)


def test_what_a_legacy_backend_would_remove_too_is_refused(tmp_path: Path) -> None:
    harness = OldStyleHarness(tmp_path)
    backend = harness.make()
    for name in ('a', 'a/b', 'ab'):
        backend.write(name, name.encode())
    with pytest.raises(fs.OperationNotSupported, match="files under 'a/'"):
        backend.remove('a')
    backend.remove('ab')
    backend.remove('ab')
    assert harness.names_raw() == ['a', 'a/b']


def test_what_is_left_out_needs_more_than_verbs() -> None:
    tried = {name for name, _ in inspect.getmembers(TestOldStyle) if name.startswith('test_')}
    assert tried < set(CHECKS)
