"""The parts of objects that are asked for, and those that come."""

from __future__ import annotations

import re
from typing import Any


def span(start: int, stop: int | None) -> str:
    """A Range header for the bytes [start, stop); a negative start counts from the end."""
    if start < 0:
        return f'bytes={start}'
    return f'bytes={start}-' if stop is None else f'bytes={start}-{stop - 1}'


def whole_size(answer: Any) -> int:
    """The length of the whole object, also in an answer with a part of it."""
    part = _part(answer)
    return int(answer['ContentLength']) if part is None else part[2]


def answers_range(asked: str | None, answer: Any) -> bool:
    """Whether an answer has just the bytes of the Range header *asked*: servers and caches on the way may ignore it."""
    try:
        part = _part(answer)
    except ValueError:
        return False
    if part is None:
        # The whole in the place of its first bytes is cut by the reader.
        return asked is None or asked.startswith('bytes=0-')
    begin, end, size = part
    wanted = re.fullmatch(r'bytes=(\d*)-(\d*)', asked or '')
    if wanted is None or not begin <= end < size or answer['ContentLength'] != end - begin + 1:
        return False
    first, last = wanted.groups()
    if not first:
        return begin == max(0, size - int(last)) and end == size - 1
    return begin == int(first) and end == (min(int(last), size - 1) if last else size - 1)


def _part(answer: Any) -> tuple[int, int, int] | None:
    """The first and the last byte that an answer has, and the size of the whole; None if it has the whole."""
    told = answer.get('ContentRange')
    if told is None:
        return None
    found = re.fullmatch(r'bytes (\d+)-(\d+)/(\d+)', told)
    if found is None:
        raise ValueError(told)
    begin, end, size = map(int, found.groups())
    return begin, end, size
