"""What a check says of itself: its guarantee, where that is documented, and the capability that it proves."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from flask_fs.backends import BaseBackend, Capability

F = TypeVar('F', bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a check holds a backend to.

    :param text: The promise, in a sentence.
    :param contract: The hook or verb whose documentation makes it.
    :param proves: The capability that the check proves, if it is about one.
    :param cause: What usually breaks it, and the hook to look at.
    """

    text: str
    contract: str
    proves: Capability = Capability.NONE
    cause: str = ''

    def __str__(self) -> str:
        return f'{self.text}\nWritten down in the reference of backends, at {self.contract}.'


class UndeclaredCapability(UserWarning):
    """A backend can do what its capabilities do not say."""


def check(contract: str, *, proves: Capability = Capability.NONE, cause: str = '') -> Callable[[F], F]:
    """Mark a test method as the check of the guarantee in its docstring.

    :param cause: What usually breaks it, and the hook to look at, in a sentence or two.
    """

    def mark(function: F) -> F:
        text = ' '.join((inspect.getdoc(function) or '').split())
        function.guarantee = Guarantee(text, contract, proves, cause)  # type: ignore[attr-defined]  # read by guarantee_of
        return function

    return mark


def guarantee_of(function: Any) -> Guarantee | None:
    """What *function* checks, or None if it is no check."""
    found = getattr(function, 'guarantee', None)
    return found if isinstance(found, Guarantee) else None


def declares(backend: BaseBackend, capability: Capability) -> bool:
    """Whether *backend* promises *capability*."""
    return capability in backend.capabilities


def works_undeclared(backend: BaseBackend, capability: Capability) -> None:
    """Warn that *backend* can do what it does not promise."""
    message = f'{type(backend).__name__} could declare {capability.name}: it was seen to work'
    warnings.warn(message, UndeclaredCapability, stacklevel=3)


def broken(message: str) -> None:
    """Fail the check with *message*: what was expected, and what was seen."""
    pytest.fail(message, pytrace=False)
