"""Serve Pigeonhole on this machine, and print its URL: ``python run.py``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import socket
import sys


def main() -> None:
    """Serve the application until Ctrl+C."""
    parser = argparse.ArgumentParser(description='Drop files, share links.')
    parser.add_argument(
        '--port', type=port, default=5000, help='%(default)s by default; if it is in use, the demo chooses a free one'
    )
    parser.add_argument('--root', help='the folder for all files; by default "instance", next to this program')
    arguments = parser.parse_args()
    # Imported only here, so that Ctrl+C also ends the program without a traceback during these imports.
    from app import create_app
    from werkzeug.serving import make_server

    app = create_app({'FS_ROOT': arguments.root} if arguments.root else None)
    logging.getLogger('werkzeug').setLevel(logging.WARNING)
    try:
        listening = socket.create_server(('127.0.0.1', arguments.port))
    except OSError as error:
        listening = socket.create_server(('127.0.0.1', 0))
        why = f'Port {arguments.port} is not available ({os.strerror(error.errno or 0)}), so the demo uses a free one.'
        print(f'{why} To choose one, pass --port.', file=sys.stderr)
    with listening:
        server = make_server('127.0.0.1', 0, app, threaded=True, fd=listening.fileno())
        print(f'Pigeonhole is at http://127.0.0.1:{server.port}/ (Ctrl+C stops it)', flush=True)
        server.serve_forever()


def port(text: str) -> int:
    """The number of a port."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 65535')
    return number


if __name__ == '__main__':
    with contextlib.suppress(KeyboardInterrupt):
        main()
    print('\nThe demo has stopped.')
