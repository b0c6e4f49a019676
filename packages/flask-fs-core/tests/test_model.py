"""Storage on each backend of core against the simplest model of it: a dictionary."""

from __future__ import annotations

import io
import itertools
import shutil
import tempfile
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import flask_fs as fs
from flask_fs.names import with_suffix

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
notes = st.dictionaries(st.sampled_from(['owner', 'note']), st.sampled_from(['', 'Ada', 'é 火', ' two\nlines ']))


class StorageModel(RuleBasedStateMachine):
    kind = ''

    @initialize()
    def start(self) -> None:
        self.root = tempfile.mkdtemp()
        self.storage = fs.Storage('files', fs.ALL)
        self.app = Flask('model')
        self.app.config.update(FS_BACKEND=self.kind, FS_ROOT=self.root, FS_RETENTION_DAYS=7)
        fs.init_app(self.app, self.storage)
        self.files: dict[str, bytes] = {}
        #: The metadata of each file, as far as any was given, and an ETag of a former version.
        self.notes: dict[str, dict[str, str]] = {}
        self.former: dict[str, str] = {}
        #: What was deleted under each name, the last one last.
        self.deleted: dict[str, list[tuple[bytes, dict[str, str]]]] = {}
        try:
            self.storage.write('probe', '', metadata={'a': '1'})
            self.storage.remove('probe')
            self.storage.purge('probe')
            self.keeps_metadata = True
        except fs.OperationNotSupported:  # The file system has no extended attributes.
            self.keeps_metadata = False

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, 'root', ''), ignore_errors=True)

    def put(
        self, name: str, content: bytes, overwrite: bool, store: Any, metadata: dict[str, str] | None = None
    ) -> None:
        if name in self.files and not overwrite:
            with pytest.raises(fs.FileExists):
                store()
        else:
            store()
            self.files[name] = content
            self.notes[name] = metadata or {}

    def drop(self, name: str) -> None:
        if name in self.files:
            self.deleted.setdefault(name, []).append((self.files.pop(name), self.notes[name]))

    @rule(name=filenames, content=contents, overwrite=st.booleans(), metadata=notes)
    def write(self, name: str, content: bytes, overwrite: bool, metadata: dict[str, str]) -> None:
        given = metadata if self.keeps_metadata else {}

        def store() -> None:
            self.storage.write(name, content, overwrite=overwrite, metadata=given)

        self.put(name, content, overwrite, store, given)

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
        self.put(new, content, overwrite, lambda: act(name, new, overwrite=overwrite), self.notes[name])
        if verb == 'move' and done and name != new:
            del self.files[name]

    @rule(name=st.one_of(filenames, st.sampled_from(['a', 'a/b', 'é d', 'a b', '.c', 'none'])))
    def delete(self, name: str) -> None:
        self.storage.delete(name)
        for known in [known for known in self.files if known == name or known.startswith(f'{name}/')]:
            self.drop(known)

    @rule(name=filenames)
    def restore(self, name: str) -> None:
        if name in self.files or name not in self.deleted:
            with pytest.raises((fs.FileExists, fs.FileNotFound)):
                self.storage.restore(name)
        else:
            self.storage.restore(name)
            self.files[name], self.notes[name] = self.deleted[name].pop()
            if not self.deleted[name]:
                del self.deleted[name]

    @rule(name=filenames)
    def purge(self, name: str) -> None:
        self.storage.purge(name)
        self.deleted.pop(name, None)

    @rule(name=filenames, content=contents, conflict=st.sampled_from(['rename', 'error', 'replace']))
    def save_in_conflict(self, name: str, content: bytes, conflict: Any) -> None:
        numbered = (with_suffix(name, f'_{number}') for number in itertools.count(1))
        used = name
        if conflict == 'rename' and name in self.files:
            used = next(new for new in numbered if new not in self.files)

        def store() -> None:
            assert self.storage.save(io.BytesIO(content), name, conflict=conflict) == used

        self.put(used, content, conflict == 'replace', store)

    @rule(name=filenames, content=contents, stale=st.booleans())
    def replace_one_version(self, name: str, content: bytes, stale: bool) -> None:
        etag = self.storage.stat(name).etag if name in self.files else 'none'
        assert etag is not None
        if stale or name not in self.files:
            with pytest.raises(fs.Changed):
                self.storage.write(name, content, if_match=self.former.get(name, 'none'))
        else:
            self.put(name, content, True, lambda: self.storage.write(name, content, if_match=etag))
            self.former[name] = etag

    @precondition(lambda self: self.keeps_metadata)
    @rule(name=filenames, metadata=notes)
    def set_metadata(self, name: str, metadata: dict[str, str]) -> None:
        if name in self.files:
            self.storage.set_attributes(name, metadata=metadata)
            self.notes[name] = metadata
        else:
            with pytest.raises(fs.FileNotFound):
                self.storage.set_attributes(name, metadata=metadata)

    @rule(some=st.lists(filenames, max_size=4), at_once=st.booleans())
    def remove(self, some: list[str], at_once: bool) -> None:
        if at_once:
            self.storage.delete_many(some)
        else:
            for name in some:
                self.storage.remove(name)
        for name in some:
            self.drop(name)

    @rule(folder=st.sampled_from(FOLDERS), limit=st.integers(1, 5))
    def list_one_folder(self, folder: str, limit: int) -> None:
        files, folders, after = [], [], None
        while True:
            page = self.storage.folder(folder, after=after, limit=limit)
            assert len(page.files) + len(page.folders) <= limit
            files += [info.name for info in page.files]
            folders += page.folders
            if (after := page.next) is None:
                break
        below = [name.removeprefix(folder) for name in self.files if name.startswith(folder)]
        assert sorted(files) == sorted(folder + name for name in below if '/' not in name)
        assert sorted(folders) == sorted({folder + name.split('/')[0] for name in below if '/' in name})

    @rule(folder=st.sampled_from(FOLDERS[1:]), name=st.sampled_from(BASENAMES), content=contents, gone=st.booleans())
    def change_in_a_view(self, folder: str, name: str, content: bytes, gone: bool) -> None:
        view, whole = self.storage.scoped(folder), folder + name
        if gone:
            view.remove(name)
            self.drop(whole)
        else:
            self.put(whole, content, True, lambda: view.save(io.BytesIO(content), name, overwrite=True))
        expected = sorted(known.removeprefix(folder) for known in self.files if known.startswith(folder))
        assert sorted(view.list_files()) == expected
        assert view.usage() == self.storage.usage(folder)

    @rule(name=filenames)
    def read(self, name: str) -> None:
        if name in self.files:
            assert self.files[name] == self.storage.read(name)
            assert self.files[name] == b''.join(self.storage.read_chunks(name, 7))
            assert len(self.files[name]) == self.storage.stat(name).size
            assert self.notes[name] == self.storage.stat(name).metadata
        else:
            with pytest.raises(fs.FileNotFound):
                self.storage.read(name)
            assert name not in self.storage

    @rule(prefix=prefixes)
    def list_with_prefix(self, prefix: str) -> None:
        expected = sorted(name for name in self.files if name.startswith(prefix))
        assert sorted(self.storage.list_files(prefix)) == expected
        assert sorted(info.name for info in self.storage.scan(prefix)) == expected
        assert self.storage.usage(prefix) == (len(expected), sum(len(self.files[name]) for name in expected))

    @invariant()
    def the_same_files_are_there(self) -> None:
        if hasattr(self, 'files'):
            assert sorted(self.files) == sorted(self.storage.list_files())
            kept = sorted((file.name, file.size) for file in self.storage.deleted())
            assert kept == sorted((name, len(content)) for name, some in self.deleted.items() for content, _ in some)


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
