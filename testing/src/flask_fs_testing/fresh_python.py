"""What :mod:`.fresh_process` runs in another Python: by itself, without the kit, whose import takes longer than all the rest."""

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
    """Do what the standard input says, and write the result to the standard output."""
    timeout_s, where, name, settings, explicit_keys, (path, function) = pickle.load(sys.stdin.buffer)
    # With the stacks of all threads.
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    # What is printed is no result.
    results = os.dup(1)
    os.dup2(2, 1)
    backend = load(*where)(name, complete(settings, explicit_keys))
    result = getattr(load_file('flask_fs_fresh', path), function)(backend)
    with open(results, 'wb') as file:
        pickle.dump(result, file)


def load(module: str, path: str, qualname: str) -> Any:
    """What *module* calls *qualname*. Several modules may have its name, as those of tests do, but one is at *path*."""
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
    """The content and the attributes of what there is in a backend, before this process changes some of it."""
    seen = {name: (backend.read(name), backend.stat(name).attributes) for name in backend.list_files()}
    backend.write('a/replaced', b'replaced there')
    backend.remove('removed')
    if 'moved' in seen:
        backend.move('moved', 'a/moved')
    backend.write('new', b'created there', overwrite=False)
    return seen


if __name__ == '__main__':
    run()
