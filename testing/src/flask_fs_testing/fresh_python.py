"""The program that :mod:`.fresh_process` runs in another Python, without the kit, whose import takes longer than everything else."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import operator
import os
import pickle
import sys
from typing import Any

from flask_fs.config import complete


def run() -> None:
    """Run the request from standard input, and write the result to standard output."""
    timeout_s, where, name, settings, explicit_keys, (path, function) = pickle.load(sys.stdin.buffer)
    # With the stacks of all threads.
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    # Printed output is not the result.
    results = os.dup(1)
    os.dup2(2, 1)
    backend = load(*where)(name, complete(settings, explicit_keys))
    result = getattr(load_file('flask_fs_fresh', path), function)(backend)
    with open(results, 'wb') as file:
        pickle.dump(result, file)


def load(module: str, path: str, qualname: str) -> Any:
    """The object *qualname* of *module*. Several modules can have the same name, as in tests, but only one is at *path*."""
    found = None
    with contextlib.suppress(ImportError):
        found = importlib.import_module(module)
    if found is None or getattr(found, '__file__', None) != path:
        found = load_file(module, path)
    return operator.attrgetter(qualname)(found)


def load_file(name: str, path: str) -> Any:
    """The file at *path* as the module *name*."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def look_and_change(backend: Any) -> dict[str, Any]:
    """The content and the attributes of the files in a backend, before this process changes some of them."""
    seen = {name: (backend.read(name), backend.stat(name).attributes) for name in backend.list_files()}
    backend.write('a/replaced', b'replaced there')
    backend.remove('removed')
    if 'moved' in seen:
        backend.move('moved', 'a/moved')
    backend.write('new', b'created there', overwrite=False)
    return seen


if __name__ == '__main__':
    run()
