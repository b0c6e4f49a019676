"""A new process that, unlike a fork, shares no memory of a backend with this one."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from flask_fs.backends import BaseBackend

from . import fresh_python
from .concurrency import GRACE_S, TIMEOUT_S
from .guarantees import broken

__all__ = ['in_fresh_process']

# It has the module search path of this process.
_PROGRAM = (
    'import pickle, runpy, sys; sys.path[:] = pickle.load(sys.stdin.buffer); {first}; '
    'runpy.run_path({path!r}, run_name="__main__")'
)
#: The first statement of applications on gevent, before any other import.
PATCHED = 'from gevent import monkey; monkey.patch_all()'

T = TypeVar('T')


def in_fresh_process(backend: BaseBackend, act: Callable[[Any], T], *, first: str = 'pass') -> T:
    """What *act* returns in a new Python process, for a backend with the class and the settings of *backend*.

    The check fails if it raises there, or does not return. The class has to be at the top level of a module.

    :param act: A function at the top level of a file that can be run separately. The file should import little, because each
        import takes time again. The result is pickled.
    :param first: A statement to execute there before the backend is imported, such as PATCHED.
    """
    kind, config = type(backend), backend.config
    where = (kind.__module__, inspect.getfile(kind), kind.__qualname__)
    what = (inspect.getfile(act), act.__name__)
    try:
        task = pickle.dumps((TIMEOUT_S, where, backend.name, dict(config), config.explicit_keys, what))
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        broken(
            f'Expected settings with which another process can create the backend; saw that they cannot be sent: {error}.'
        )
    try:
        done = subprocess.run(
            [sys.executable, '-c', _PROGRAM.format(path=fresh_python.__file__, first=first)],
            input=pickle.dumps(sys.path) + task,
            capture_output=True,
            timeout=TIMEOUT_S + GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        # It ends itself, unless it hangs completely.
        broken(f'Expected a new process to end; saw that it had to be killed.\n{expired.stderr!r}')
    if done.returncode:
        shown = done.stderr.decode(errors='replace')
        broken(f'Expected a new process to succeed; saw that it ended with exit code {done.returncode}.\n{shown}')
    result: T = pickle.loads(done.stdout)
    return result
