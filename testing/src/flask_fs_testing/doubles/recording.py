"""A backend that records its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask_fs.backends import BaseBackend

from .wrapper import BackendWrapper


class Call(NamedTuple):
    """One call of a hook.

    :param hook: The hook's name without its underscore: ``put``.
    :param name: The file's name in its storage; of ``scan`` and ``names`` the prefix.
    :param target: The second name of ``copy`` and ``move``, else None.
    :param options: What was passed by keyword, such as ``create`` and ``attributes``; of ``open`` also ``start``, ``stop``
        and ``etag``.
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
        options = {**dict(zip(('start', 'stop'), args[1:], strict=False)), **kwargs} if hook == 'open' else kwargs
        name = self.shown(args[0])
        target = self.shown(args[1]) if hook in ('copy', 'move') else None
        self.calls.append(Call(hook, name, target, options))
        return super().pass_on(hook, *args, **kwargs)
