"""Backends that are each broken in one way: pieces that become one file."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Sequence
from typing import Any

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend, FileInfo, Source, with_attributes
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_pieces_are_joined_exactly')
class JoinsInTheOrderOfTheListing(HTTPBackend):
    """Piece 10 comes before piece 9."""

    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        super()._join(sorted(pieces, key=lambda piece: piece.name), target, **options)


@caught_by('test_pieces_are_joined_exactly')
class LeavesOutSmallPieces(HTTPBackend):
    """As a store does that takes parts of a minimum size only."""

    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        large = [piece for piece in pieces if piece.size > 2 or piece is pieces[-1]]
        super()._join(large, target, **options)


@caught_by('test_pieces_are_joined_exactly')
class KeepsTheChecksumOfAPart(MemoryBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        super()._join(pieces, target, **options)
        info, content = self._files[target]
        self._files[target] = dataclasses.replace(info, checksum=pieces[-1].checksum), content


@caught_by('test_a_join_that_is_refused_changes_nothing', 'test_any_sequence_of_verbs_does_what_a_dictionary_would')
class JoinsOverWhatIsThere(HTTPBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        super()._join(pieces, target, create=False, attributes=attributes)


@caught_by('test_a_join_that_is_refused_changes_nothing')
class LooksBeforeItJoins(LocalBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        if create and os.path.exists(self.path(target)):
            raise self.error(fs.FileExists, target)
        super()._join(pieces, target, create=False, attributes=attributes)


@caught_by('test_a_join_that_is_refused_changes_nothing')
class AsksBeforeItJoins(HTTPBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        if create:
            with contextlib.suppress(fs.FileNotFound):
                self._stat(target)
                raise self.error(fs.FileExists, target)
        super()._join(pieces, target, create=False, attributes=attributes)


@caught_by('test_a_join_that_is_refused_changes_nothing')
class RemovesPiecesWhateverComesOfThem(MemoryBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        try:
            super()._join(pieces, target, **options)
        finally:
            for piece in pieces:
                self._remove(piece.name)


@caught_by('test_a_joined_file_has_the_given_attributes_alone')
class KeepsTheAttributesOfThePiece(HTTPBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        if not attributes.given():
            attributes = self._stat(pieces[0].name).attributes
        super()._join(pieces, target, create=create, attributes=attributes)


@caught_by('test_a_joined_file_has_the_given_attributes_alone')
class MovesASinglePiece(MemoryBackend):
    """Without looking at what is to be kept with the file."""

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        given = attributes if len(pieces) > 1 else NO_ATTRIBUTES
        super()._join(pieces, target, create=create, attributes=given)


@caught_by('test_a_joined_file_has_the_given_attributes_alone')
class KeepsTheTypeOfThePiecesName(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        mime = self._stat(name).mime
        super()._move(name, target, create=create)
        info, content = self._files[target]
        self._files[target] = with_attributes(info, dataclasses.replace(info.attributes, mime=mime)), content


@caught_by('test_only_the_pieces_that_were_seen_are_joined')
class LeavesOutWhatIsGone(HTTPBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        there = {info.name for info in self._scan(pieces[0].name.rpartition('/')[0])}
        super()._join([piece for piece in pieces if piece.name in there], target, **options)


@caught_by('test_pieces_are_joined_inside_the_store')
class JoinsThroughTheApplication(HTTPBackend):
    _join = BaseBackend._join


@caught_by('test_pieces_are_joined_inside_the_store')
class ReadsAPieceToCopyIt(HTTPBackend):
    """The store joins several; what came in one is stored again."""

    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        join = super()._join if len(pieces) > 1 else super(HTTPBackend, self)._join
        join(pieces, target, **options)


@caught_by('test_a_large_file_goes_in_and_out_in_bounded_memory')
class JoinsInMemory(LocalBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        content = b''.join(self._open(piece.name).stream.read() for piece in pieces)
        self._put(target, Source(io.BytesIO(content)), create=create, attributes=attributes)


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class JoinsInPlace(LocalBackend):
    """Makes the file first, and appends one piece after the other."""

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        self._put(target, Source(io.BytesIO()), create=create, attributes=attributes)
        with open(self.path(target), 'ab') as file:
            for piece in pieces:
                with self._open(piece.name, etag=piece.etag).stream as stream:
                    file.write(stream.read())


@caught_by('test_a_fault_at_any_request_leaves_a_file_old_or_new')
class ReservesTheNameOfAJoin(HTTPBackend):
    """By an empty file, which is then replaced."""

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        self._put(target, Source(io.BytesIO()), create=create)
        super()._join(pieces, target, create=False, attributes=attributes)


@caught_by('test_operations_take_no_more_requests_than_allowed')
class LooksAtEachPiece(HTTPBackend):
    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        super()._join([self._stat(piece.name) for piece in pieces], target, **options)


@caught_by('test_pieces_are_joined_exactly')
class JoinsThirtyTwoPieces(HTTPBackend):
    """The maximum of a request."""

    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        super()._join(pieces[:32], target, **options)


@caught_by('test_pieces_are_joined_exactly')
class JoinsSixteenAtATime(MemoryBackend):
    """The result so far takes the place of a piece in the next request, for which no room was left."""

    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        super()._join([piece for number, piece in enumerate(pieces) if number % 16 or not number], target, **options)
