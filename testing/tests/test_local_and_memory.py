"""The backends of core pass the whole kit, each in several ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.names import join
from flask_fs_testing import BackendConformance, Harness, LocalHarness, MemoryHarness


class TestLocal(BackendConformance):
    harness_class = LocalHarness


class NamedDrafts(LocalHarness):
    """A file system without O_TMPFILE, as NFS is."""

    def make(self, **more: Any) -> BaseBackend:
        backend = super().make(**more)
        backend._filesystem.unnamed = False  # type: ignore[attr-defined]  # of LocalBackend
        return backend


@pytest.mark.once
class TestLocalWithoutUnnamedFiles(BackendConformance):
    harness_class = NamedDrafts


class TestMemory(BackendConformance):
    harness_class = MemoryHarness


PREFIX = 'tenants/7'


class Prefixed(Harness):
    """A location inside of a folder, by the setting for it; the checks' own prefixes go further in."""

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), 'prefix': PREFIX}

    def missing_settings(self) -> Mapping[str, Any]:
        return {**super().missing_settings(), 'prefix': PREFIX}

    def make(self, **more: Any) -> BaseBackend:
        return super().make(**{**more, 'prefix': join(PREFIX, more.get('prefix', ''))})

    def make_app(self, storage: fs.Storage, **more: Any) -> Flask:
        return super().make_app(storage, **{**more, 'prefix': join(PREFIX, more.get('prefix', ''))})

    def put_raw(self, name: str, content: bytes) -> None:
        super().put_raw(f'{PREFIX}/{name}', content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        super().put_encoded_raw(f'{PREFIX}/{name}', content, encoding)

    def get_raw(self, name: str) -> bytes:
        return super().get_raw(f'{PREFIX}/{name}')

    def names_raw(self) -> list[str]:
        return [name.removeprefix(f'{PREFIX}/') for name in super().names_raw()]


class PrefixedLocal(Prefixed, LocalHarness):
    """Where a prefix is a folder, and hooks are given names without it."""


@pytest.mark.once
class TestLocalUnderAPrefix(BackendConformance):
    harness_class = PrefixedLocal


class PrefixedMemory(Prefixed, MemoryHarness):
    """Where hooks are given names with the prefix."""


@pytest.mark.once
class TestMemoryUnderAPrefix(BackendConformance):
    harness_class = PrefixedMemory
