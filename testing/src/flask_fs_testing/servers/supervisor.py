"""Run the processes of one server for exactly as long as it has users, which are connected to the supervisor.

This is a separate program, run by its path, which needs only the standard library. It reads one line of JSON from standard
input, with the commands to run, and writes one line: the port where it accepts connections, or why it could not start. A
connection means that the server is in use: when a process dies, however it dies, the operating system closes its connections.
So after the last user, the supervisor ends the processes and deletes their folder.

To a user it writes lines of JSON: first ``{"token": …, "pids": {…}}``, then ``{"ended": …}`` if a process ends. From a
user it reads only the end of the connection. The last user's connection is closed after everything is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

#: The first user has to connect within this time, and processes are checked at this interval.
FIRST_USER_S = 30.0
LOOK_EVERY_S = 0.05
#: How long a process can take to end after a signal that it can handle.
END_S = 10.0

Request = dict[str, Any]


def main() -> None:
    """Start the actual supervisor, pass on its response, and end: it is not a child of a test, and leaves no zombie or warning."""
    line = sys.stdin.readline()
    if 'stay' in sys.argv:
        stay(json.loads(line))
        return
    supervisor = subprocess.Popen(
        [sys.executable, '-I', os.path.abspath(__file__), 'stay'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests, which then stop it.
        text=True,
    )
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    supervisor.stdin.write(line)
    supervisor.stdin.close()
    print(supervisor.stdout.readline(), end='', flush=True)
    os._exit(0)  # Without waiting for the supervisor.


def stay(request: Request) -> None:
    """Run the processes until the last user has gone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    users: list[socket.socket] = []
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with socket.create_server(('127.0.0.1', 0)) as listener:
            try:
                for name, command in request['commands'].items():
                    processes[name] = start(name, command, request)
            except OSError as error:
                print(json.dumps({'error': str(error)}), flush=True)
                return
            print(json.dumps({'port': listener.getsockname()[1]}), flush=True)
            serve(listener, users, processes, request['token'])
    finally:
        # No orderly shutdown, unless killing would leave something behind: their data is thrown away.
        for process in processes.values():
            kill(process, request['stop_signal'])
        for path in request['stray_files']:
            with contextlib.suppress(OSError):
                os.unlink(path)
        shutil.rmtree(request['folder'], ignore_errors=True)
        for user in users:
            user.close()


def start(name: str, command: list[str], request: Request) -> subprocess.Popen[bytes]:
    """One process, with its log next to its data."""
    user, group = request['user'] or (None, None)
    with open(os.path.join(request['folder'], f'{name}.log'), 'ab') as log:
        return subprocess.Popen(
            command,
            cwd=request['folder'],
            env=request['environment'],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # A separate group, to be killed as one.
            # After the user was changed, because that resets it.
            preexec_fn=dying_with_this_process(request['stop_signal']),  # noqa: PLW1509  # there are no threads here
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )


def dying_with_this_process(stop_signal: int | None) -> Callable[[], None] | None:
    """On Linux, a function that makes a child die even if the supervisor itself is killed."""
    if sys.platform != 'linux':  # pragma: no cover - other systems have no prctl()
        return None
    prctl = ctypes.CDLL(None).prctl
    supervisor = os.getpid()

    def set_signal() -> None:  # pragma: no cover - nothing measures between fork and exec
        set_parent_death_signal = 1
        prctl(set_parent_death_signal, stop_signal or signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)

    return set_signal


def serve(
    listener: socket.socket,
    users: list[socket.socket],
    processes: dict[str, subprocess.Popen[bytes]],
    token: str,
) -> None:
    """Return when the last user has gone, leaving only its connection in *users*."""
    running = dict(processes)
    news = [as_line({'token': token, 'pids': {name: process.pid for name, process in processes.items()}})]
    listener.settimeout(FIRST_USER_S)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        if not selector.select(FIRST_USER_S):
            return
        while True:
            for key, _ in selector.select(LOOK_EVERY_S):
                user = key.data
                if user is None:
                    user = listener.accept()[0]
                    send(user, b''.join(news))
                    users.append(user)
                    selector.register(user, selectors.EVENT_READ, user)
                elif not said_anything(user):
                    selector.unregister(user)
                    if users == [user]:
                        return
                    users.remove(user)
                    user.close()
            for name in [name for name, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                how = f'was ended by signal {-code}' if code < 0 else f'ended with exit code {code}'
                news.append(as_line({'ended': f'{name} {how}'}))
                for user in users:
                    send(user, news[-1])


def said_anything(user: socket.socket) -> bool:
    """Whether *user* is still connected; what it sends is ignored."""
    try:
        return bool(user.recv(1024))
    except OSError:
        return False


def as_line(message: Request) -> bytes:
    """*message* as it is sent."""
    return json.dumps(message).encode() + b'\n'


def send(user: socket.socket, data: bytes) -> None:
    """Send a message to *user*. If it has already disconnected, the next check notices."""
    with contextlib.suppress(OSError):
        user.sendall(data)


def kill(process: subprocess.Popen[bytes], stop_signal: int | None = None) -> None:
    """End *process* and its children, with *stop_signal* if that is enough."""
    if sys.platform == 'win32':  # pragma: no cover - Windows has no groups of processes
        process.kill()
        process.wait()
        return
    # Before waiting for it: until then its process ID cannot be reused.
    if stop_signal is not None:
        signal_group(process, stop_signal)
        if has_ended(process, time.monotonic() + END_S):
            return
    signal_group(process, signal.SIGKILL)
    # Not with Popen.wait(), which waits forever for the lock of a Popen.poll() that an exception from SIGTERM ended.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, 0)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to *process* and its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def has_ended(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Whether *process* ends before the *deadline*."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(process.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
    return True


if __name__ == '__main__':
    main()
