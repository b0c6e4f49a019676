"""The calls of a check to its backend, for the message if it fails."""

from __future__ import annotations

import collections
import contextlib
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from flask_fs.backends import BaseBackend, FileInfo

#: The methods that storages and checks call.
VERBS = (
    'exists', 'open', 'read', 'read_range', 'read_chunks', 'write', 'save', 'remove', 'delete', 'copy', 'move', 'stat', 'scan',
    'list_files', 'metadata', 'path', 'local_file', 'serve', 'signed_url', 'sweep',
)  # fmt: skip
#: How many calls are kept.
LAST = 12
MAX_CHARACTERS = 60
CHECKS = f'{__package__}.checks.'

_inside: ContextVar[bool] = ContextVar('inside', default=False)


@dataclass(slots=True)
class _Call:
    """A call, as text only: an object kept here would outlive that of the check."""

    owner: int
    text: str
    outcome: str = 'did not return'


class Journal:
    """The last calls, and their results."""

    def __init__(self) -> None:
        self._calls: collections.deque[_Call] = collections.deque(maxlen=LAST)
        self._count = 0

    @contextlib.contextmanager
    def recording(self, *watched: tuple[str, type, Iterable[str]]) -> Generator[None]:
        """Record the calls of methods in a ``with`` block, in every thread; without calls made by other recorded calls.

        The methods are replaced in the class that defines them: instances and class relations are unchanged.

        :param watched: The name of the owner in the text, its class, and the names of its methods.
        """
        with contextlib.ExitStack() as undo:
            for prefix, owner, names in watched:
                for cls in owner.__mro__:
                    for name in vars(cls).keys() & set(names):
                        method = vars(cls)[name]
                        if inspect.isfunction(method):
                            setattr(cls, name, self._recorded(prefix + name, method))
                            undo.callback(setattr, cls, name, method)
            yield

    def __str__(self) -> str:
        """One line for each recorded call; empty if there was none."""
        calls = list(self._calls)
        owners = list(dict.fromkeys(call.owner for call in calls if call.owner))
        lines = [f'(the last {len(calls)} of {self._count} calls)'] if self._count > len(calls) else []
        for call in calls:
            which = f'backend {owners.index(call.owner) + 1}: ' if call.owner and len(owners) > 1 else ''
            lines.append(f'{which}{call.text} {call.outcome}')
        return '\n'.join(lines)

    def _recorded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            # A source in a check can call a verb while another verb reads from it.
            if _inside.get() and not sys._getframe(1).f_globals.get('__name__', '').startswith(CHECKS):
                return method(owner, *args, **kwargs)
            entry = self._begin(owner, name, args, kwargs)
            token = _inside.set(True)
            try:
                result = method(owner, *args, **kwargs)
                entry.outcome = f'-> {_shown(result)}'
            except BaseException as error:
                entry.outcome = _raised(error)
                raise
            finally:
                _inside.reset(token)
            return result

        return call

    def _begin(self, owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        given = [*map(_shown, args), *(f'{key}={_shown(value)}' for key, value in kwargs.items())]
        thread = threading.current_thread()
        where = '' if thread is threading.main_thread() else f'[{thread.name}] '
        entry = _Call(id(owner) if isinstance(owner, BaseBackend) else 0, f'{where}{name}({", ".join(given)})')
        self._count += 1
        self._calls.append(entry)
        return entry


def _shown(value: object) -> str:
    """*value* in a few characters; only the type of a value with a custom repr, which could do anything."""
    if isinstance(value, (bytes, bytearray)) and len(value) > MAX_CHARACTERS // 2:
        return f'<{len(value)} bytes>'
    if type(value) is str:
        return repr(_shortened(value))
    if value is None or type(value) in (bool, int, float, bytes, bytearray):
        return repr(value)
    if type(value) in (list, tuple) and all(type(each) is str for each in value):  # type: ignore[attr-defined]
        return _shortened(repr(value))
    if isinstance(value, FileInfo):
        return f'<FileInfo of {value.size} bytes>'
    return f'<{type(value).__name__}>'


def _raised(error: BaseException) -> str:
    message = ''
    with contextlib.suppress(Exception):
        message = _shortened(' '.join(str(error).split()))
    return f'raises {type(error).__name__}' + (f': {message}' if message else '')


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f'{text[: MAX_CHARACTERS - 1]}…'
