"""Names of 1.0 that subclasses can still define."""

from __future__ import annotations

from collections.abc import Mapping


def keep_former_names(cls: type, names: Mapping[str, str]) -> None:
    """Define each attribute of *cls* under both names, for each former name and its current one in *names*."""
    for former, name in names.items():
        for given, other in ((former, name), (name, former)):
            if given in vars(cls):
                setattr(cls, other, vars(cls)[given])
