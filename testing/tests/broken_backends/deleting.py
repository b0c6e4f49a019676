"""Backends that are each broken in one way: deleting."""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_deleting_what_is_not_there_is_no_error')
class ComplainsOfNothingToDelete(MemoryBackend):
    def _remove(self, name: str) -> None:
        self._stat(name)
        super()._remove(name)


@caught_by('test_remove_removes_exactly_one_file')
class RemovesWhatIsUnderIt(MemoryBackend):
    def _remove(self, name: str) -> None:
        for below in (name, *self._names(f'{name}/')):
            super()._remove(below)


@caught_by('test_delete_spares_names_sharing_a_prefix')
class DeletesSiblings(MemoryBackend):
    def _delete(self, name: str) -> None:
        for found in list(self._names(name)):
            self._remove(found)


@caught_by('test_deleting_what_is_not_there_is_no_error')
class UnlinksWhatIsThere(LocalBackend):
    """Trusts the file system to report what is absent in one way."""

    def _remove(self, name: str) -> None:
        if os.path.exists(self.path(name.partition('/')[0])):
            os.unlink(self.path(name))


@caught_by('test_remove_removes_exactly_one_file')
class RemovesInAnyCase(MemoryBackend):
    def _remove(self, name: str) -> None:
        for found in [found for found in self._files if found.lower() == name.lower()]:
            super()._remove(found)


@caught_by('test_delete_spares_names_sharing_a_prefix')
class DeletesAFolderAnywhere(MemoryBackend):
    def _delete(self, name: str) -> None:
        for found in [found for found in self._files if f'/{name}/' in f'/{found}/']:
            self._remove(found)


@caught_by('test_a_name_to_delete_is_literal_text')
class DeletesByAGlob(LocalBackend):
    def _delete(self, name: str) -> None:
        for path in glob.glob(self.path(name)):
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


@caught_by('test_a_name_to_delete_is_literal_text')
class DeletesByLike(MemoryBackend):
    """As SQL does, with the wildcards that a name has."""

    def _delete(self, name: str) -> None:
        pattern = re.escape(name).replace('%', '.*').replace('_', '.')
        for found in [found for found in self._files if re.fullmatch(f'{pattern}(/.*)?', found, re.DOTALL)]:
            self._remove(found)


@caught_by('test_a_name_to_delete_is_literal_text')
class RemovesAQuotedName(MemoryBackend):
    def _remove(self, name: str) -> None:
        super()._remove(unquote(name))


@caught_by('test_a_name_to_delete_is_literal_text')
class RemovesByAPattern(MemoryBackend):
    def _remove(self, name: str) -> None:
        for found in fnmatch.filter(list(self._files), name):
            super()._remove(found)


@caught_by('test_empty_folders_are_neither_seen_nor_in_the_way')
class PrunesTooMuch(LocalBackend):
    """Removes each folder above that has no more files, and overlooks that folders may have."""

    def _remove(self, name: str) -> None:
        super()._remove(name)
        folder = Path(self.path(name)).parent
        while folder != Path(self.root) and folder.is_dir() and not any(entry.is_file() for entry in folder.iterdir()):
            shutil.rmtree(folder)
            folder = folder.parent


@caught_by('test_empty_folders_are_neither_seen_nor_in_the_way', 'test_a_name_that_only_a_folder_has_can_be_created')
class KeepsFoldersInTheWay(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if os.path.isdir(self.path(name)):
            raise self.error(fs.FileExists, name, 'there is a folder of that name')
        super()._put(name, stream, create=create, attributes=attributes)


@caught_by('test_empty_folders_are_neither_seen_nor_in_the_way')
class MarksFolders(MemoryBackend):
    """Makes an object for each folder, as consoles of S3 do, and never removes it."""

    def _put(self, name: str, stream: Source, **options: Any) -> Any:
        if folder := name.rpartition('/')[0]:
            super()._put(f'{folder}/', Source(io.BytesIO()))
        return super()._put(name, stream, **options)


@caught_by('test_a_name_that_only_a_folder_has_can_be_created')
class TakesAFolderForAFile(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        if create and next(self._names(f'{name}/'), None) is not None:
            raise self.error(fs.FileExists, name)
        return super()._put(name, stream, create=create, attributes=attributes)


@caught_by('test_delete_spares_names_sharing_a_prefix')
class DeletesTheFileOrTheFolder(MemoryBackend):
    """A name is one or the other, as on a disk."""

    def _delete(self, name: str) -> None:
        if name in self._files:
            self._remove(name)
        else:
            super()._delete(name)


@caught_by('test_delete_spares_names_sharing_a_prefix')
class DeletesTheFolderOrTheFile(MemoryBackend):
    def _delete(self, name: str) -> None:
        below = list(self._names(f'{name}/'))
        for each in below or [name]:
            self._remove(each)
