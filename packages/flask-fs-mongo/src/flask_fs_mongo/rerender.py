"""Rerendering the images of many documents."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import click
from mongoengine.errors import LookUpError, SaveConditionError  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.queryset.base import BaseQuerySet  # type: ignore[import-untyped]  # as above

from flask_fs.transaction import discard
from flask_fs_images.references import ImageReference

from .fields import ImageField
from .traversal import Found, innermost, references
from .units import roll_back

#: How many documents are requested at a time: few enough to process before the server closes an idle cursor.
_BATCH = 20


class Failure(NamedTuple):
    """A document whose files could not all be made again, or that could not be saved.

    :param pk: The primary key of the document.
    :param error: The type and message of the error.
    """

    pk: Any
    error: str


@dataclass
class Report:
    """The result of :func:`rerender_all`.

    :param documents: The number of processed documents.
    :param pictures: The number of images whose derived files were regenerated.
    :param failures: The documents that failed.
    :param last: The primary key of the last processed document, to pass as *start_after* to the next run.
    """

    documents: int = 0
    pictures: int = 0
    failures: list[Failure] = field(default_factory=list)
    last: Any = None

    def __str__(self) -> str:
        lines = [f'{self.pictures} images in {self.documents} documents were regenerated; {len(self.failures)} failed.']
        return '\n'.join([*lines, *(f'{failure.pk}: {failure.error}' for failure in self.failures)])


def rerender_all(
    documents: Any,
    field: str,
    *,
    start_after: Any = None,
    finished: Callable[[Any], None] | None = None,
    progress: bool | None = None,
) -> Report:
    """Make the derived files of every document again, according to the current declaration of the field, and report the result.

    It continues after failures, and keeps few documents in memory. A document is saved, without validation, only if its filenames
    changed, and only if no other process has changed them in the meantime.

    :param documents: A queryset, which is processed in the order of primary keys, or any iterable of documents.
    :param field: The name of the field; for an embedded document, a path such as ``profile.pictures``.
    :param start_after: For a queryset, the primary key after which to start, to continue a previous run.
    :param finished: Called with the primary key of each processed document, even if it failed.
    :param progress: Whether to show a progress bar; by default, in terminals.
    :raises ValueError: If the documents have no image field with that name.
    """
    path, length, report = field.replace('__', '.'), None, Report()
    if isinstance(documents, BaseQuerySet):
        documents = _in_order(documents, start_after)
        length = documents.count(with_limit_and_skip=True)
    elif start_after is not None:
        raise ValueError('start_after needs a queryset')
    shown: Any = contextlib.nullcontext(documents)
    if sys.stderr.isatty() if progress is None else progress:
        shown = click.progressbar(documents, length=length, label=field, show_pos=True, file=sys.stderr)
    with shown as iterated:
        for document in iterated:
            _rerender(document, path, report)
            report.documents += 1
            report.last = document.pk
            if finished is not None:
                finished(document.pk)
    return report


def _in_order(queryset: Any, start_after: Any) -> Any:
    queryset = queryset.order_by('pk').batch_size(_BATCH)
    if start_after is not None:
        queryset = queryset.filter(pk__gt=start_after)
    # A queryset without a cache has no such method.
    return queryset.no_cache() if hasattr(queryset, 'no_cache') else queryset


def _rerender(document: Any, path: str, report: Report) -> None:
    _check(type(document), path)
    stored: list[tuple[Found, Any]] = []
    try:
        for found in references(document):
            if found.path != path:
                continue
            if found.reference.malformed is not None:
                report.failures.append(Failure(document.pk, f'malformed: {found.reference.malformed}'))
            elif found.reference:
                stored.append((found, found.reference.stored))
                cast(ImageReference, found.reference).rerender()
                report.pictures += 1
    except Exception as error:  # noqa: BLE001  # reported at the end; the other documents are processed all the same
        report.failures.append(_failure(document, error))
    changed = [(found, before) for found, before in stored if found.reference.stored != before]
    if not changed:
        return
    try:
        conditions = [_unchanged(found.db_path, before.filename) for found, before in changed]
        document.save(validate=False, save_condition={'__raw__': {'$and': conditions}})
    except SaveConditionError as error:
        _undo(document, changed)
        report.failures.append(_failure(document, error))
    except Exception as error:  # noqa: BLE001  # as above
        report.failures.append(_failure(document, error))


def _undo(document: Any, changed: list[tuple[Found, Any]]) -> None:
    """Remove the files that were made for a document that was not saved because another process has changed it."""
    roll_back(document)
    for found, before in changed:
        reference = found.reference
        # The other new files have the names of former files.
        discard(reference.fs, set(reference.stored.files()).difference(before.files()))


def _unchanged(db_path: str, filename: str | None) -> dict[str, Any]:
    return {'$or': [{f'{db_path}.filename': filename}, {db_path: filename}]}


def _failure(document: Any, error: Exception) -> Failure:
    # As text, since an exception would keep the document and the image in memory.
    return Failure(document.pk, f'{type(error).__name__}: {error}')


def _check(document_class: Any, path: str) -> None:
    """Raise an error if documents of this class have no image field at *path*."""
    try:
        found = document_class._lookup_field(path.split('.'))[-1]
    except LookUpError:
        found = None
    if not isinstance(innermost(found), ImageField):
        raise ValueError(f'{document_class.__name__} has no image field {path!r}')
