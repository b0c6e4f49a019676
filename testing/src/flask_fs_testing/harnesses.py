"""Harnesses for the backends of core: to prove them, and what is built on top of them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from flask_fs.backends import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from .harness import Harness


class LocalHarness(Harness):
    """The local backend, or one derived from it, in a folder."""

    backend_class: ClassVar[type[BaseBackend]] = LocalBackend

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._root = os.path.join(folder, 'root')
        self._missing = os.path.join(folder, 'missing', 'root')

    def settings(self) -> Mapping[str, Any]:
        """The folder as the root."""
        return {'root': self._root}

    def missing_settings(self) -> Mapping[str, Any]:
        """A root that is not there."""
        return {'root': self._missing}

    def put_raw(self, name: str, content: bytes) -> None:
        """Write into the folder."""
        path = os.path.join(self._root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(content)

    def get_raw(self, name: str) -> bytes:
        """Read from the folder."""
        with open(os.path.join(self._root, name), 'rb') as file:
            return file.read()

    def names_raw(self) -> list[str]:
        """Every file under the folder."""
        found = (
            os.path.relpath(os.path.join(folder, file), self._root)
            for folder, _, files in os.walk(self._root)
            for file in files
        )
        return sorted(path.replace(os.sep, '/') for path in found)


class MemoryHarness(Harness):
    """The memory backend, or one derived from it. All backends of one harness share their files, as with a real store."""

    backend_class: ClassVar[type[BaseBackend]] = MemoryBackend
    memory_ceiling_bytes = None
    shared_between_processes = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._store = self.backend_class('kit')

    def settings(self) -> Mapping[str, Any]:
        """No settings."""
        return {}

    def missing_settings(self) -> Mapping[str, Any]:
        """No settings: memory is always there."""
        return {}

    def make(self, **more: Any) -> BaseBackend:
        """A backend on the files of this harness."""
        return self._sharing(super().make(**more))

    def make_missing(self) -> BaseBackend:
        """A backend with files of its own."""
        return super().make_missing()

    def make_app(self, storage: Any, **more: Any) -> Any:
        """An application on the files of this harness."""
        app = super().make_app(storage, **more)
        self._sharing(app.extensions['fs'].bindings[storage].backend)
        return app

    def put_raw(self, name: str, content: bytes) -> None:
        """Put into the store, under no prefix."""
        MemoryBackend._put(self._memory(), name, io.BytesIO(content))

    def get_raw(self, name: str) -> bytes:
        """Look into the store."""
        return self._memory()._files[name][1]

    def names_raw(self) -> list[str]:
        """Look into the store."""
        return sorted(self._memory()._files)

    def _memory(self) -> MemoryBackend:
        assert isinstance(self._store, MemoryBackend)
        return self._store

    def _sharing(self, backend: Any) -> BaseBackend:
        backend._files, backend._lock = self._memory()._files, self._memory()._lock
        assert isinstance(backend, BaseBackend)
        return backend
