"""What Flask-FS guarantees for every backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_fs_testing import BackendConformance, Harness

from flask_fs_NAME import NameBackend
from flask_fs_NAME.store import PAGE_KEYS, Store


class NameHarness(Harness):
    """A new, empty container in the store, and access to it without the backend."""

    backend_class = NameBackend
    page_size = PAGE_KEYS

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._store = Store(str(folder / 'store'))

    def settings(self) -> Mapping[str, Any]:
        return {'folder': self.folder / 'store'}

    def missing_settings(self) -> Mapping[str, Any]:
        return {'folder': self.folder / 'not' / 'there' / 'yet'}

    def put_raw(self, name: str, content: bytes) -> None:
        self._store.put(name, [content])

    def get_raw(self, name: str) -> bytes:
        _, body = self._store.get(name)
        with body:
            return body.readall()

    def names_raw(self) -> list[str]:
        found: list[str] = []
        while page := self._store.page(after=found[-1] if found else ''):
            found += [metadata.key for metadata in page]
        return [*found, *self._store.uploads()]


class TestName(BackendConformance):
    """All checks. For a store behind a network, NetworkConformance has more."""

    harness_class = NameHarness
