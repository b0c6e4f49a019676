"""Backends that are each broken in one way: what killed processes leave, and what sweeping removes."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import flask_fs as fs
from flask_fs.backends import Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import chunks_of
from flask_fs.names import TEMPORARY_PREFIX

from . import caught_by


class Drafting(LocalBackend):
    """Uploads go to a hidden folder first, which no listing shows."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        folder = Path(self.root, f'{TEMPORARY_PREFIX}drafts')
        folder.mkdir(parents=True, exist_ok=True)
        draft = self._draft_of(folder, name)
        try:
            with draft.open('xb') as file:
                file.writelines(chunks_of(stream))
            with draft.open('rb') as file:
                super()._put(name, Source(file), **options)
        finally:
            draft.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _draft_of(self, folder: Path, name: str) -> Path:
        return folder / os.urandom(8).hex()


@caught_by('test_a_killed_process_leaves_a_file_old_and_its_name_usable')
class SweepsNoDrafts(Drafting):
    def _sweep(self, older_than_s: float) -> int:
        return 0


@caught_by('test_a_killed_process_leaves_a_file_old_and_its_name_usable')
class HasOneDraftForEachName(Drafting):
    """Which the next writer of that name finds there."""

    def _draft_of(self, folder: Path, name: str) -> Path:
        return folder / name.replace('/', '%2F')

    def _sweep(self, older_than_s: float) -> int:
        shutil.rmtree(Path(self.root, f'{TEMPORARY_PREFIX}drafts'), ignore_errors=True)
        return 1


@caught_by('test_a_killed_process_leaves_a_file_old_and_its_name_usable')
class PutsTheOldFileBack(LocalBackend):
    """If it is still there to do so."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        path, aside = Path(self.path(name)), Path(self.root, f'{TEMPORARY_PREFIX}{os.urandom(4).hex()}')
        if options.get('create') or not path.exists():
            super()._put(name, stream, **options)
            return
        path.rename(aside)
        try:
            super()._put(name, stream, **options)
        except BaseException:
            aside.rename(path)
            raise
        aside.unlink()


@caught_by('test_sweeping_removes_no_file')
class SweepsWhatIsCalledTemporary(LocalBackend):
    def _sweep(self, older_than_s: float) -> int:
        names = [info.name for info in self._scan() if info.name.endswith(('.tmp', '.part'))]
        for name in names:
            self._remove(name)
        return len(names)


@caught_by('test_sweeping_removes_no_file')
class SweepsWhatIsOld(MemoryBackend):
    """Whatever it is, because a minute ago it was there."""

    def _sweep(self, older_than_s: float) -> int:
        limit = time.time() - older_than_s
        names = [name for name, (info, _) in self._files.items() if info.modified and info.modified.timestamp() < limit]
        for name in names:
            self._remove(name)
        return len(names)


@caught_by('test_sweeping_removes_no_file')
class NamesItsUploadsLikeFiles(LocalBackend):
    """And knows them by their beginning."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        upload = Path(self.path(f'of-{os.urandom(4).hex()}'))
        upload.parent.mkdir(parents=True, exist_ok=True)
        try:
            with upload.open('xb') as file:
                file.writelines(chunks_of(stream))
            with upload.open('rb') as file:
                super()._put(name, Source(file), **options)
        finally:
            upload.unlink()

    def _sweep(self, older_than_s: float) -> int:
        uploads = list(Path(self.root).glob('of-????????*'))
        for upload in uploads:
            upload.unlink()
        return len(uploads)


@caught_by('test_sweeping_removes_no_file')
class SweepsItsFolderOfUploads(MemoryBackend):
    """Which has a name that files can have too."""

    def _sweep(self, older_than_s: float) -> int:
        names: list[str] = [info.name for info in self._scan('uploads/')]
        failures: dict[str, fs.FSError] = self._remove_many(names)
        return len(names) - len(failures)
