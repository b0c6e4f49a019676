"""``python -m flask_fs_testing new-backend NAME FOLDER``."""

from __future__ import annotations

import sys

from . import new_backend

USAGE = 'usage: python -m flask_fs_testing new-backend NAME FOLDER'

if __name__ == '__main__':
    if sys.argv[1:2] != ['new-backend']:
        print(USAGE, file=sys.stderr)
        sys.exit(0 if sys.argv[1:] in (['-h'], ['--help']) else 2)
    sys.exit(new_backend.main(sys.argv[2:]))
