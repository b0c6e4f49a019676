"""What the tests of fresh processes run in one."""

from __future__ import annotations

import os
import time
from typing import Any

from flask_fs.backends.local import LocalBackend


class Narrow(LocalBackend):
    """A class of a file that is no module of a package."""

    page_size = 7


def describe(backend: Any) -> tuple[str, int, str, bytes, int]:
    print('This is no result.')
    return type(backend).__qualname__, backend.page_size, backend.name, backend.read('x'), os.getpid()


def fail(backend: Any) -> None:
    raise ValueError('as planned')


def hang(backend: Any) -> None:
    time.sleep(60)
