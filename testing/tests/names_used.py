"""Which attributes of a backend a check uses: where a broken backend has none of its own for them, the check cannot tell it apart."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

#: Looked up to make a backend of the same class in a fresh process, whose uses are not recorded.
_ELSEWHERE = '__qualname__'
#: What every class has.
_OF_CLASSES = frozenset(vars(type('Empty', (), {}))) | {
    '__abstractmethods__',
    '__annotations__',
    '__firstlineno__',
    '__static_attributes__',
    '_abc_impl',
}


def used_by(act: Callable[[Any], object], base: Any) -> set[str]:
    """The names that are looked up on the class that *act* is given, a subclass of *base*, and on its instances.

    Also by forks, which write into the same file.
    """
    with tempfile.TemporaryFile(mode='a+b', buffering=0) as file:
        act(_recording(base, file.fileno()))
        file.seek(0)
        return set(file.read().decode().split())


def may_tell_apart(used: set[str], backend: Any, base: Any, used_at_all: set[str]) -> bool:
    """Whether a check that has *used* these names of *base* may see that *backend* is another one.

    :param used_at_all: The names that any check uses.
    """
    mro = backend.__mro__
    own = {name for cls in mro[: mro.index(base)] for name in vars(cls)} - _OF_CLASSES
    # Python itself looks special methods up, and the store of a backend may be a broken one.
    if _ELSEWHERE in used or 'store_flags' in own or any(name.startswith('__') for name in own):
        return True
    # Others are helpers of its own.
    own &= used_at_all
    return not own or bool(own & used)


def _recording(base: Any, file: int) -> Any:
    seen: set[str] = set()

    def record(name: str) -> None:
        if name not in seen:
            seen.add(name)
            os.write(file, f'{name}\n'.encode())

    class Recording(type(base)):  # type: ignore[misc]  # whatever makes classes of backends
        def __getattribute__(cls, name: str) -> Any:
            record(name)
            return super().__getattribute__(name)

    def look_up(backend: Any, name: str) -> Any:
        record(name)
        return base.__getattribute__(backend, name)

    # A fresh process finds the class where it finds the base.
    copied = {'__module__': base.__module__, '__qualname__': base.__qualname__}
    return Recording(base.__name__, (base,), {'__getattribute__': look_up, **copied})
