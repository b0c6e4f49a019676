"""Names of 1.0 that subclasses may still define."""

from __future__ import annotations

from collections.abc import Mapping


def keep_former_names(cls: type, names: Mapping[str, str]) -> None:
    """Give *cls* what it defines under the other name too, for each former name and its present one in *names*."""
    for former, name in names.items():
        for given, other in ((former, name), (name, former)):
            if given in vars(cls):
                setattr(cls, other, vars(cls)[given])
