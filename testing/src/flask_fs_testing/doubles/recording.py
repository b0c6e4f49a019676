"""A backend that records its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask_fs.backends import BaseBackend

from .wrapper import STORING, WITH_TARGET, BackendWrapper

#: The positional arguments of hooks, other than names and sources.
_BY_POSITION = {
    'open': ('start', 'stop'),
    'swap': ('etag',),
    'folder': ('after', 'limit'),
    'set_attributes': ('changes',),
}


class Call(NamedTuple):
    """One call of a hook.

    :param hook: The hook's name without its underscore: ``put``.
    :param name: The file's name in its storage; for ``scan``, ``names`` and ``folder`` the prefix, for ``join`` the first piece.
    :param target: The second name of ``copy`` and ``move``, and the file that ``join`` creates; otherwise None.
    :param options: Other arguments, such as ``create`` and ``attributes``; for ``open`` ``start``, ``stop`` and ``etag``,
        for ``swap`` ``etag``, for ``folder`` ``after`` and ``limit``, and for ``set_attributes`` ``changes``.
    """

    hook: str
    name: str | None
    target: str | None
    options: Mapping[str, Any]


class RecordingBackend(BackendWrapper):
    """Behaves like *backend*, and keeps a list of the calls of its hooks, including those that failed.

    Calls that the backend itself makes are not in the list, so the list is the same for every backend.

    :param backend: Any :class:`~flask_fs.backends.BaseBackend`, including another wrapper.
    """

    def __init__(self, backend: BaseBackend) -> None:
        super().__init__(backend)
        #: The calls so far, in order; tests can clear it.
        self.calls: list[Call] = []

    def hooks(self) -> list[str]:
        """The hooks that were called, in order: ``['put', 'stat']``."""
        return [call.hook for call in self.calls]

    def names(self, hook: str) -> list[str | None]:
        """The names that one hook was called with, in order."""
        return [call.name for call in self.calls if call.hook == hook]

    def pass_on(self, hook: str, *args: Any, **kwargs: Any) -> Any:
        # Without the source of the content.
        given = args[2:] if hook in STORING else args[1:]
        options = {**dict(zip(_BY_POSITION.get(hook, ()), given, strict=False)), **kwargs}
        name = self.shown(args[0])
        target = self.shown(args[1]) if hook in WITH_TARGET else None
        self.calls.append(Call(hook, name, target, options))
        return super().pass_on(hook, *args, **kwargs)
