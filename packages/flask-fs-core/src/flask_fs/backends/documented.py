"""Backends that declare no capability: driven by the documented verbs alone, called with exactly their arguments.

Custom backends from older days and test doubles are driven so. Conflicts and missing files are found by asking
``exists`` first, which is not race-free: that is what a backend without capabilities can promise.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import FileExists, FileNotFound, OperationNotSupported
from ..files import mime_type
from ..media_types import normalized
from ..names import valid_among
from .base import BaseBackend, info_from
from .contract import CHUNK_BYTES, Capability, FileInfo
from .copies import temporary_copy
from .streams import Chunks, Mode, buffered


class DocumentedVerbs:
    """A driver on top of the documented verbs of *backend*, which may be any object that has them."""

    capabilities = Capability.NONE

    def __init__(self, backend: Any, storage: str) -> None:
        self.backend = backend
        self.storage = storage
        self._is_double = not issubclass(type(backend), BaseBackend)

    def exists(self, filename: str) -> bool:
        return bool(self.backend.exists(filename))

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        how = Mode(mode)
        if how.reads:
            self._require(filename)
        elif how.creates:
            self._require_absent(filename)
        opened: IO[Any] = self.backend.open(filename, mode, **kwargs)
        return opened

    def read(self, filename: str) -> bytes:
        self._require(filename)
        content: bytes = self.backend.read(filename)
        return content

    def read_chunks(self, filename: str, chunk_size: int = CHUNK_BYTES) -> Iterator[bytes]:
        if self._has_own('read_chunks') or (self._is_double and hasattr(self.backend, 'read_chunks')):
            self._require(filename)
            # In other packages the size has another name.
            size = () if chunk_size == CHUNK_BYTES else (chunk_size,)
            chunks: Iterator[bytes] = self.backend.read_chunks(filename, *size)
            return chunks
        return Chunks(buffered(self.open(filename, 'rb')), chunk_size)

    def write(self, filename: str, content: Any, overwrite: bool = True, *, mime: str | None = None) -> Any:
        if not overwrite:
            self._require_absent(filename)
        return self.backend.write(filename, content)

    def save(self, file_or_wfs: Any, filename: str, overwrite: bool = False, *, mime: str | None = None) -> Any:
        if not overwrite:
            self._require_absent(filename)
        elif _takes_overwrite(self.backend.save):
            return self.backend.save(file_or_wfs, filename, overwrite=True)
        return self.backend.save(file_or_wfs, filename)

    def remove(self, filename: str) -> Any:
        if not self._is_double:
            return self.backend.remove(filename)
        if hasattr(self.backend, 'list_files') and any(self.list_files(f'{filename}/')):
            reason = f'there are files under {filename!r}, which the delete of its backend could remove too'
            raise self._unsupported(filename, reason)
        return self.backend.delete(filename)

    def delete(self, filename: str) -> Any:
        return self.backend.delete(filename)

    def copy(self, filename: str, target: str, overwrite: bool = True) -> Any:
        return self._transplant(self._verb('copy'), filename, target, overwrite)

    def move(self, filename: str, target: str, overwrite: bool = True) -> Any:
        return self._transplant(self._verb('move'), filename, target, overwrite)

    def stat(self, filename: str) -> FileInfo:
        self._require(filename)
        if self._is_double:
            return info_from(filename, self._verb('metadata')(filename))
        info: FileInfo = self.backend.stat(filename)
        return info

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return (self.stat(name) for name in self.list_files(prefix))

    def list_files(self, prefix: str = '') -> Iterator[str]:
        names: Any = self._verb('list_files')()
        if not self._is_double:
            # What a double answers is handed on as it is.
            valid = valid_among(names)
            names = list(valid) if isinstance(names, list) else valid
        return (name for name in names if name.startswith(prefix)) if prefix else names

    def metadata(self, filename: str) -> dict[str, Any]:
        facts: dict[str, Any] = self._verb('metadata')(filename)
        if isinstance(facts, dict):
            # Applications find the documented keys, whatever the backend knows.
            facts['mime'] = normalized(facts.get('mime') or mime_type(filename))
            for key in ('size', 'modified', 'checksum'):
                facts.setdefault(key, None)
        return facts

    def path(self, filename: str) -> str:
        root = getattr(self.backend, 'root', '')
        if self._has_own('path') or self._has_own('_local_path'):
            path: str = self.backend.path(filename)
        elif isinstance(root, (str, Path)) and root:  # not os.PathLike, which every MagicMock is
            path = os.path.join(root, filename)
        elif root is None or not self._is_double or not hasattr(self.backend, 'path'):
            raise self._unsupported(filename, 'its files have no path on this machine; use local_file()')
        else:
            path = self.backend.path(filename)
        return path

    def local_file(self, filename: str) -> contextlib.AbstractContextManager[str]:
        self._require(filename)
        if not self._is_double:
            local: contextlib.AbstractContextManager[str] = self.backend.local_file(filename)
            return local
        try:
            return contextlib.nullcontext(self.path(filename))
        except OperationNotSupported:
            return temporary_copy(self.backend.open(filename, 'rb'), filename)

    def serve(self, filename: str) -> Any:
        self._require(filename)
        return self.backend.serve(filename)

    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str:
        raise self._unsupported(filename, 'its backend signs no links')

    def _transplant(self, verb: Callable[[str, str], Any], filename: str, target: str, overwrite: bool) -> Any:
        self._require(filename)
        if not overwrite:
            self._require_absent(target)
        return None if filename == target else verb(filename, target)

    def _verb(self, verb: str) -> Callable[..., Any]:
        """A verb that a double may lack, because the documentation of backends has none."""
        if (found := getattr(self.backend, verb, None)) is None:
            raise self._unsupported(None, f'{type(self.backend).__name__} has no {verb}()')
        return found  # type: ignore[no-any-return]  # whatever a double has

    def _has_own(self, verb: str) -> bool:
        """Whether the class of the backend defines *verb* itself. A mock has every attribute, and its class none."""
        own = getattr(type(self.backend), verb, None)
        return own is not None and own is not getattr(BaseBackend, verb)

    def _unsupported(self, filename: str | None, reason: str) -> OperationNotSupported:
        return OperationNotSupported(filename, storage=self.storage, reason=reason)

    def _require(self, filename: str) -> None:
        if not self.backend.exists(filename):
            raise FileNotFound(filename, storage=self.storage)

    def _require_absent(self, filename: str) -> None:
        if self.backend.exists(filename):
            raise FileExists(filename, storage=self.storage)


def _takes_overwrite(save: Callable[..., Any]) -> bool:
    # As documented, save() refuses an existing file unless told. Some backends have no such parameter, and doubles that
    # take anything expect to be called without it.
    return 'overwrite' in inspect.signature(save).parameters
