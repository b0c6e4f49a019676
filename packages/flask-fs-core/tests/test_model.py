"""Storage on each backend of core against the simplest model of it: a dictionary."""

from __future__ import annotations

import io
import shutil
import tempfile
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import flask_fs as fs

# The kit compares with a model on every Python.
pytestmark = pytest.mark.once

# Few enough that names meet, odd enough to matter; no name is the folder of another, which only some stores can hold.
FOLDERS = ['', 'a/', 'a/b/', 'a b/', 'é d/', '.c/']
BASENAMES = ['x', 'xy', 'x.txt', 'x #?%.txt', 'é', 'e\u0301', '.hidden', '-x']
filenames = st.builds(str.__add__, st.sampled_from(FOLDERS), st.sampled_from(BASENAMES))
prefixes = st.one_of(
    st.just(''), st.text('ab/x.é ', max_size=4), filenames.map(lambda name: name[: len(name) // 2 + 1])
)
contents = st.binary(max_size=64)


class StorageModel(RuleBasedStateMachine):
    kind = ''

    @initialize()
    def start(self) -> None:
        self.root = tempfile.mkdtemp()
        self.storage = fs.Storage('files', fs.ALL)
        self.app = Flask('model')
        self.app.config.update(FS_BACKEND=self.kind, FS_ROOT=self.root)
        fs.init_app(self.app, self.storage)
        self.files: dict[str, bytes] = {}

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, 'root', ''), ignore_errors=True)

    def put(self, name: str, content: bytes, overwrite: bool, store: Any) -> None:
        if name in self.files and not overwrite:
            with pytest.raises(fs.FileExists):
                store()
        else:
            store()
            self.files[name] = content

    @rule(name=filenames, content=contents, overwrite=st.booleans())
    def write(self, name: str, content: bytes, overwrite: bool) -> None:
        self.put(name, content, overwrite, lambda: self.storage.write(name, content, overwrite=overwrite))

    @rule(name=filenames, content=contents, overwrite=st.booleans())
    def save(self, name: str, content: bytes, overwrite: bool) -> None:
        self.put(name, content, overwrite, lambda: self.storage.save(io.BytesIO(content), name, overwrite=overwrite))

    @rule(name=filenames, content=contents, create=st.booleans())
    def write_through_open(self, name: str, content: bytes, create: bool) -> None:
        def store() -> None:
            with self.storage.open(name, 'xb' if create else 'wb') as file:
                file.write(content)

        self.put(name, content, not create, store)

    @rule(name=filenames, new=filenames, overwrite=st.booleans(), verb=st.sampled_from(['copy', 'move']))
    def copy_or_move(self, name: str, new: str, overwrite: bool, verb: str) -> None:
        act = getattr(self.storage, verb)
        if name not in self.files:
            with pytest.raises(fs.FileNotFound):
                act(name, new, overwrite=overwrite)
            return
        content = self.files[name]
        done = overwrite or new not in self.files
        self.put(new, content, overwrite, lambda: act(name, new, overwrite=overwrite))
        if verb == 'move' and done and name != new:
            del self.files[name]

    @rule(name=st.one_of(filenames, st.sampled_from(['a', 'a/b', 'é d', 'a b', '.c', 'none'])))
    def delete(self, name: str) -> None:
        self.storage.delete(name)
        self.files = {
            known: content
            for known, content in self.files.items()
            if known != name and not known.startswith(f'{name}/')
        }

    @rule(name=filenames)
    def read(self, name: str) -> None:
        if name in self.files:
            assert self.files[name] == self.storage.read(name)
            assert self.files[name] == b''.join(self.storage.read_chunks(name, 7))
            assert len(self.files[name]) == self.storage.stat(name).size
        else:
            with pytest.raises(fs.FileNotFound):
                self.storage.read(name)
            assert name not in self.storage

    @rule(prefix=prefixes)
    def list_with_prefix(self, prefix: str) -> None:
        expected = sorted(name for name in self.files if name.startswith(prefix))
        assert sorted(self.storage.list_files(prefix)) == expected
        assert sorted(info.name for info in self.storage.scan(prefix)) == expected

    @invariant()
    def the_same_files_are_there(self) -> None:
        if hasattr(self, 'files'):
            assert sorted(self.files) == sorted(self.storage.list_files())


class LocalModel(StorageModel):
    kind = 'local'


class MemoryModel(StorageModel):
    kind = 'memory'


def limits(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=False,
    )


TestLocal = LocalModel.TestCase
TestLocal.settings = limits(60)
TestMemory = MemoryModel.TestCase
TestMemory.settings = limits(60)
