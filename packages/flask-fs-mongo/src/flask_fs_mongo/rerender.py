"""Making the derived files of many documents again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import click
from mongoengine.errors import LookUpError  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.queryset.base import BaseQuerySet  # type: ignore[import-untyped]  # as above

from flask_fs_images.references import ImageReference

from .fields import ImageField
from .traversal import Found, innermost, references

#: How many documents are asked for at once: few enough for the server not to forget the query meanwhile.
_BATCH = 20


class Failure(NamedTuple):
    """A document whose files could not all be made again, or that could not be saved.

    :param pk: Its primary key.
    :param error: The kind of error, and what it says.
    """

    pk: Any
    error: str


@dataclass
class Report:
    """What came of :func:`rerender_all`.

    :param documents: How many documents were looked at.
    :param pictures: How many pictures had their derived files made again.
    :param failures: The documents for which that failed.
    :param last: The primary key of the last document that was looked at: where to start after to go on.
    """

    documents: int = 0
    pictures: int = 0
    failures: list[Failure] = field(default_factory=list)
    last: Any = None

    def __str__(self) -> str:
        lines = [
            f'{self.pictures} pictures of {self.documents} documents were made again; {len(self.failures)} failed.'
        ]
        return '\n'.join([*lines, *(f'{failure.pk}: {failure.error}' for failure in self.failures)])


def rerender_all(
    documents: Any,
    field: str,
    *,
    start_after: Any = None,
    finished: Callable[[Any], None] | None = None,
    progress: bool | None = None,
) -> Report:
    """Make the derived files of every document again, as the field is declared now, and report what came of it.

    It goes on after a failure, and keeps few documents in memory. A document is saved, without validation, only if it refers
    to other files than before, and only if no one else has changed that meanwhile.

    :param documents: A queryset, which is gone through in the order of its primary keys, or any documents.
    :param field: The name of the field; ``profile.pictures`` for that of an embedded document.
    :param start_after: The primary key after which to begin, of a queryset: to go on where another run ended.
    :param finished: Called with the primary key of each document once it is done, failed or not: to know where that was.
    :param progress: Whether to show a progress bar; by default on terminals.
    :raises ValueError: If documents have no image field of that name.
    """
    path, length, report = field.replace('__', '.'), None, Report()
    if isinstance(documents, BaseQuerySet):
        documents = _in_order(documents, start_after)
        length = documents.count(with_limit_and_skip=True)
    elif start_after is not None:
        raise ValueError('start_after needs a queryset')
    with _shown(documents, length, field, progress) as shown:
        for document in shown:
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
    # A queryset without a cache is asked for once, and has no such method.
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
    except Exception as error:  # noqa: BLE001  # reported at the end; the other documents shall not suffer
        report.failures.append(_failure(document, error))
    changed = [(found, before) for found, before in stored if found.reference.stored != before]
    if not changed:
        return
    try:
        unchanged = [_still(found.db_path, before.filename) for found, before in changed]
        document.save(validate=False, save_condition={'__raw__': {'$and': unchanged}})
    except Exception as error:  # noqa: BLE001  # as above
        report.failures.append(_failure(document, error))


def _still(place: str, filename: str | None) -> dict[str, Any]:
    return {'$or': [{f'{place}.filename': filename}, {place: filename}]}


def _failure(document: Any, error: Exception) -> Failure:
    # As text: an exception would keep its document, and the picture, in memory.
    return Failure(document.pk, f'{type(error).__name__}: {error}')


def _check(document_class: Any, path: str) -> None:
    """Refuse a path under which documents of this class have no pictures."""
    try:
        found = document_class._lookup_field(path.split('.'))[-1]
    except LookUpError:
        found = None
    if not isinstance(innermost(found), ImageField):
        raise ValueError(f'{document_class.__name__} has no image field {path!r}')


@contextlib.contextmanager
def _shown(documents: Iterable[Any], length: int | None, label: str, progress: bool | None) -> Generator[Iterable[Any]]:
    if progress is None:
        progress = sys.stderr.isatty()
    if not progress:
        yield documents
        return
    with click.progressbar(documents, length=length, label=label, show_pos=True, file=sys.stderr) as bar:
        yield bar
