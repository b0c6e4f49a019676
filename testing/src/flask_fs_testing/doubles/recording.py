"""A backend that records its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask_fs.backends import BaseBackend

from .wrapper import STORING, WITH_TARGET, BackendWrapper

#: What hooks are given besides names and sources, by position.
_BY_POSITION = {
    'open': ('start', 'stop'),
    'swap': ('etag',),
    'folder': ('after', 'limit'),
    'set_attributes': ('changes',),
}


class Call(NamedTuple):
    """One call of a hook.

    :param hook: The hook's name without its underscore: ``put``.
    :param name: The file's name in its storage; of ``scan``, ``names`` and ``folder`` the prefix, of ``join`` the first piece.
    :param target: The second name of ``copy`` and ``move``, and the file that ``join`` makes; else None.
    :param options: What was passed besides, such as ``create`` and ``attributes``; of ``open`` ``start``, ``stop`` and ``etag``,
        of ``swap`` ``etag``, of ``folder`` ``after`` and ``limit``, and of ``set_attributes`` ``changes``.
    """

    hook: str
    name: str | None
    target: str | None
    options: Mapping[str, Any]


class RecordingBackend(BackendWrapper):
    """Does what *backend* does, and keeps a list of the calls of its hooks, including those that failed.

    What the backend itself calls in turn is not in the list, so the list is the same on every backend.

    :param backend: Any :class:`~flask_fs.backends.BaseBackend`, another wrapper included.
    """

    def __init__(self, backend: BaseBackend) -> None:
        super().__init__(backend)
        #: The calls so far, in order; tests may clear it.
        self.calls: list[Call] = []

    def hooks(self) -> list[str]:
        """The hooks that were called, in order: ``['put', 'stat']``."""
        return [call.hook for call in self.calls]

    def names(self, hook: str) -> list[str | None]:
        """The names that one hook was called with, in order."""
        return [call.name for call in self.calls if call.hook == hook]

    def pass_on(self, hook: str, *args: Any, **kwargs: Any) -> Any:
        # Without the source of what is stored.
        given = args[2:] if hook in STORING else args[1:]
        options = {**dict(zip(_BY_POSITION.get(hook, ()), given, strict=False)), **kwargs}
        name = self.shown(args[0])
        target = self.shown(args[1]) if hook in WITH_TARGET else None
        self.calls.append(Call(hook, name, target, options))
        return super().pass_on(hook, *args, **kwargs)
