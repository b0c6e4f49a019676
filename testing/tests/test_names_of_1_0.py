"""What 1.0 documented under other names, or made less of since, still works."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from small_servers import SmallServer

import flask_fs as fs
from flask_fs.backends import BaseBackend
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.bindings import state_of
from flask_fs_testing import LocalHarness, MemoryHarness, NetworkHarness
from flask_fs_testing.memory import InMemory


class HarnessOf10(LocalHarness, NetworkHarness):
    """Defines what it has to by the names of 1.0."""

    borders_bytes = (7,)
    patience_s = 5
    impatient: Mapping[str, Any] = {'timeout': 1}

    def make_through(self, endpoint: str, **more: Any) -> BaseBackend:
        return self.make(**more)


class HarnessOfToday(LocalHarness, NetworkHarness):
    """Defines the same by the present names."""

    part_sizes = (7,)
    timeout_s = 5
    short_timeouts: Mapping[str, Any] = {'timeout': 1}

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        return self.make(**more)


@pytest.mark.parametrize('harness_class', [HarnessOf10, HarnessOfToday])
def test_a_harness_has_both_names_of_everything(harness_class: Any, tmp_path: Path) -> None:
    harness = harness_class(tmp_path)
    assert (harness.part_sizes, harness.borders_bytes) == ((7,), (7,))
    assert (harness.timeout_s, harness.patience_s) == (5, 5)
    assert (harness.short_timeouts, harness.impatient) == ({'timeout': 1}, {'timeout': 1})
    for make in (harness.make_via_proxy, harness.make_through):
        assert make('127.0.0.1:1', prefix='a').config.prefix == 'a'
    for make_app in (harness.make_app_via_proxy, harness.make_app_through):
        assert make_app('127.0.0.1:1', fs.Storage('kit')).config['KIT_FS_ROOT'] == harness.settings()['root']


def test_a_harness_that_defines_nothing_has_the_defaults_by_both_names(tmp_path: Path) -> None:
    harness: Any = MemoryHarness(tmp_path)
    assert (harness.part_sizes, harness.borders_bytes) == ((), ())


def test_a_server_has_both_names_of_its_stray_files() -> None:
    class ServerOf10(SmallServer):
        def litter(self) -> list[str]:
            return [*super().litter(), '/tmp/left']

    class ServerOfToday(SmallServer):
        def stray_files(self) -> list[str]:
            return [*super().stray_files(), '/tmp/left']

    for server in (ServerOf10(), ServerOfToday()):
        assert (server.stray_files(), server.litter()) == (['/tmp/left'], ['/tmp/left'])


def test_bindings_in_memory_keep_those_that_were_configured(tmp_path: Path) -> None:
    first, second, app = fs.Storage('first'), fs.Storage('second'), Flask('app', instance_path=str(tmp_path))
    fs.init_app(app, first, second)
    bindings = state_of(app).bindings
    configured = {first: bindings[first]}
    memory = InMemory(configured)
    memory[second] = bindings[second]
    assert [type(memory[storage].backend) for storage in (first, second)] == [MemoryBackend] * 2
    assert configured == {first: bindings[first], second: bindings[second]}
    assert [type(binding.backend) for binding in configured.values()] == [LocalBackend] * 2
