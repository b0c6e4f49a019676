"""A storage as an application has configured it, and what checks may do there: work below one key prefix, and clean up."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability, Source, chunks_of
from flask_fs.backends.memory import MemoryBackend
from flask_fs.bindings import Binding
from flask_fs.config import complete, storage_settings
from flask_fs.errors import InvalidFilename
from flask_fs.names import join
from flask_fs.settings import settings_error

from .doubles.wrapper import BackendWrapper
from .harness import NetworkHarness

__all__ = ['MARK', 'Deployment', 'LiveHarness', 'Unsuitable']

#: What the key prefixes of runs look like.
MARK = re.compile(r'fs-prove-[0-9a-f]{16}')
#: Larger parts are not tried: each size is stored and read several times, maybe over a slow line.
MAX_PART_BYTES = 8 * 1024 * 1024
#: How often files are looked for, and removed, before those that are still there count as left.
ROUNDS = 3
_NO_OTHER_PROGRAM = 'needs a program besides the backend that stores files there'
_NO_PROXY = 'needs a proxy between the backend and its server'


class Unsuitable(Exception):
    """Why a storage cannot be proved, for its user."""


class Deployment:
    """A storage of an application, for checks that store, read and remove files below one key prefix.

    :param storage: Its name.
    :param binding: How the application has configured it. Nothing of it is changed, nor used by the checks.
    :param prefix: That of an earlier run; by default a new one, which no file has.
    :raises Unsuitable: If no check can say anything about it.
    """

    def __init__(self, storage: str, binding: Binding, prefix: str | None = None) -> None:
        # What was configured, whatever a test has put in its place.
        binding = binding.configured or binding
        if not isinstance(binding.driver, BaseBackend):
            message = (
                f'Storage {storage!r} ({binding.kind}) is on a legacy backend, which declares no capability: '
                'the checks are for backends that declare what they promise.'
            )
            raise Unsuitable(message)
        if isinstance(binding.driver, MemoryBackend):
            message = (
                f'Storage {storage!r} ({binding.kind}) is in the memory of this process: there is no server to try.'
            )
            raise Unsuitable(message)
        self.storage = storage
        self.prefix = prefix or f'fs-prove-{secrets.token_hex(8)}'
        self.backend_class = type(binding.driver)
        self.config = binding.config

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nothing may show."""
        found = (self.config.get(setting.key) for setting in self.backend_class.settings if setting.secret)
        return tuple(value for value in found if isinstance(value, str) and value)

    @property
    def location(self) -> str:
        """Where the checks work: the location of the storage in the words of its backend, and the prefix."""
        described = self.make(self.prefix).describe_location()
        return described if self.prefix in described else f'{described} {self.prefix}/'.lstrip()

    def make(self, below: str, /, **more: Any) -> BaseBackend:
        """A backend on the store of the storage, with *below* after the storage's own key prefix.

        It has the settings that lead to the store, with *more* by lower-case key. Those of the storage itself, such as
        limits, types or the checksum, have their default: the checks are about the backend.
        """
        defaults = {setting.key: setting for setting in storage_settings()}
        known = {**defaults, **{setting.key: setting for setting in self.backend_class.settings}}
        try:
            given = {key: known[key].parse(value) if key in known else value for key, value in more.items()}
        except ValueError as error:
            raise settings_error(self.storage, self.backend_class.kind, f'needs another setting: {error}') from None
        given['prefix'] = join(self.config.prefix, below, given.get('prefix', ''))
        settings = {**self.config, **{key: setting.default for key, setting in defaults.items()}, **given}
        return self.backend_class(self.storage, complete(settings, {*(self.config.explicit_keys or ()), *more}))

    def try_access(self) -> None:
        """Store a file and remove it, so that what keeps every check from working is said once.

        :raises FSError: If that does not work.
        """
        store = _Raw(self.make(self.prefix))
        store.put('access', b'')
        store.remove('access')

    def clear(self, below: str = '') -> list[str]:
        """Remove every file below the prefix, or below a part of it, one by one.

        :return: What could not be removed, a sentence for each problem.
        """
        top = join(self.prefix, below)
        store, failures = _Raw(self.make(top)), dict[str, str]()
        try:
            for _ in range(ROUNDS):
                for name in store.names():
                    try:
                        store.remove(name)
                    except Exception as error:  # noqa: BLE001  # a store may fail in any way, and the other files go all the same
                        failures[name] = str(error)
            left = store.names()
            if not left:
                # What is no file, such as empty folders on a disk.
                self.make('').delete(top)
        except Exception as error:  # noqa: BLE001
            return [f'What is left below {top}/ cannot be listed: {error}']
        return [f'{top}/{name} is left: {failures.get(name, "removing it changed nothing")}' for name in left]


class LiveHarness(NetworkHarness):
    """Part of a deployment, empty at first, for one check.

    What a deployment cannot give, such as another server or an outage, skips the check and says why.
    """

    memory_ceiling_bytes = 56 * 1024 * 1024
    race_rounds = 10
    page_size = 30

    def __init__(self, folder: Path, deployment: Deployment, below: str) -> None:
        super().__init__(folder)
        self._deployment = deployment
        self._prefix = join(deployment.prefix, below)
        self._raw = _Raw(deployment.make(self._prefix))
        # Those of the backend, by the names that settings of a size in bytes have.
        sizes = (
            deployment.config.get(each.key) for each in deployment.backend_class.settings if each.key.endswith('_bytes')
        )
        # Of the class in other harnesses.
        vars(self).update(
            backend_class=deployment.backend_class,
            secrets=deployment.secrets,
            part_sizes=tuple(sorted({size for size in sizes if isinstance(size, int) and 0 < size <= MAX_PART_BYTES})),
        )

    def settings(self) -> Mapping[str, Any]:
        """The settings of the deployment."""
        return self._deployment.make(self._prefix).config

    def missing_settings(self) -> Mapping[str, Any]:
        """Not to be had."""
        _not_tried('needs a store in which the bucket, container or folder is not there yet')

    def make(self, **more: Any) -> BaseBackend:
        """A backend on the files of this harness, which lists them by short pages."""
        backend = self._deployment.make(self._prefix, **more)
        backend.page_size = self.page_size
        return backend

    def make_missing(self) -> BaseBackend:
        """Not to be had."""
        self.missing_settings()
        raise AssertionError

    def make_app(self, storage: fs.Storage, **more: Any) -> Flask:
        """An application with nothing of the deployment's own but the store."""
        app = self._app({'backend': MemoryBackend.kind, **more}, storage)
        with app.app_context():
            storage.backend = self.make(**more)
        return app

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        """Not to be had."""
        _not_tried(_NO_PROXY)

    @property
    def host(self) -> str:  # type: ignore[override]  # as make_via_proxy()
        """Not to be had."""
        _not_tried(_NO_PROXY)

    def put_raw(self, name: str, content: bytes) -> None:
        """Store it by a backend of its own, past the verbs."""
        self._raw.put(name, content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        """Not to be had."""
        _not_tried(_NO_OTHER_PROGRAM)

    def get_raw(self, name: str) -> bytes:
        """Read it by a backend of its own, past the verbs."""
        return self._raw.get(name)

    def names_raw(self) -> list[str]:
        """List them by a backend of its own, past the verbs: what its hook does not list is not seen."""
        return self._raw.names()


class _Raw:
    """The files of a backend as its hooks see them, those with names that no verb accepts included."""

    def __init__(self, backend: BaseBackend) -> None:
        self._backend = backend
        self._prefix = backend._prefix
        self._hooks = BackendWrapper(backend)

    def names(self) -> list[str]:
        """What the store has below the prefix, and nothing else, whatever a broken backend lists."""
        found = self._hooks.pass_on('names', self._prefix)
        return sorted(name.removeprefix(self._prefix) for name in found if name.startswith(self._prefix))

    def put(self, name: str, content: bytes) -> None:
        try:
            self._hooks.pass_on('put', f'{self._prefix}{name}', Source(io.BytesIO(content)))
        except InvalidFilename:
            if (path := self._path(name)) is None:
                _not_tried(_NO_OTHER_PROGRAM)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def get(self, name: str) -> bytes:
        try:
            with self._hooks.pass_on('open', f'{self._prefix}{name}').stream as stream:
                return b''.join(chunks_of(stream))
        except InvalidFilename:
            if (path := self._path(name)) is None:
                raise
            return path.read_bytes()

    def remove(self, name: str) -> None:
        try:
            self._hooks.pass_on('remove', f'{self._prefix}{name}')
        except InvalidFilename:
            if (path := self._path(name)) is None:
                raise
            path.unlink()

    def _path(self, name: str) -> Path | None:
        """Where a file is on this machine whose name the backend refuses, as that of a temporary file of its own."""
        if Capability.LOCAL_PATH not in self._backend.capabilities:
            return None
        return Path(self._backend.path('x')).parent / name


def _not_tried(reason: str) -> NoReturn:
    pytest.skip(reason)
