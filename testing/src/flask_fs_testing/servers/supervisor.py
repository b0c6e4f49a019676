"""Runs the processes of one server for exactly as long as it has users, which are connected to it.

A program of its own, run by its path and needing the standard library only. It reads one line of JSON from standard input, what to run, and responds with one line: the port where it takes connections, or why it could not start. Being
connected means using the server: the operating system ends the connections of whatever dies, however it dies, so after the last user the supervisor
ends the processes and deletes their folder.

To a user it writes lines of JSON: first ``{"token": …, "pids": {…}}``, then ``{"ended": …}`` if a process ends. Of a
user it reads nothing but the end of the connection. The last user's connection is closed after everything is gone.
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

#: The first user has to come within this time, and every process is checked this often.
FIRST_USER_S = 30.0
LOOK_EVERY_S = 0.05
#: How long a process may take to end by a signal that it can handle.
END_S = 10.0

Request = dict[str, Any]


def main() -> None:
    """Start the supervisor that stays, pass its response on, and end: so it is no child of a test, and no zombie or warning."""
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
        # No time for goodbyes, but where one would leave something behind: what they hold is thrown away.
        for process in processes.values():
            kill(process, request['stop_signal'])
        for path in request['stray_files']:
            with contextlib.suppress(OSError):
                os.unlink(path)
        shutil.rmtree(request['folder'], ignore_errors=True)
        for user in users:
            user.close()


def start(name: str, command: list[str], request: Request) -> subprocess.Popen[bytes]:
    """One process, with its log beside its data."""
    user, group = request['user'] or (None, None)
    with open(os.path.join(request['folder'], f'{name}.log'), 'ab') as log:
        return subprocess.Popen(
            command,
            cwd=request['folder'],
            env=request['environment'],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # A group of its own, to be killed as one.
            # After the user was changed, which forgets what is set here.
            preexec_fn=dying_with_this_process(request['stop_signal']),  # noqa: PLW1509  # there are no threads here
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )


def dying_with_this_process(stop_signal: int | None) -> Callable[[], None] | None:
    """On Linux, what makes a child die even when the supervisor itself is killed."""
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
    """Whether *user* is still there; what it says is not looked at."""
    try:
        return bool(user.recv(1024))
    except OSError:
        return False


def as_line(message: Request) -> bytes:
    """*message* as it is sent."""
    return json.dumps(message).encode() + b'\n'


def send(user: socket.socket, data: bytes) -> None:
    """Tell a *user*, who may be gone already: then the next look notices."""
    with contextlib.suppress(OSError):
        user.sendall(data)


def kill(process: subprocess.Popen[bytes], stop_signal: int | None = None) -> None:
    """End *process* and what it started, by *stop_signal* if that is enough."""
    if sys.platform == 'win32':  # pragma: no cover - Windows has no groups of processes
        process.kill()
        process.wait()
        return
    # Before it is waited for: until then its number cannot be reused.
    if stop_signal is not None:
        signal_group(process, stop_signal)
        if has_ended(process, time.monotonic() + END_S):
            return
    signal_group(process, signal.SIGKILL)
    # Not by Popen.wait(), which waits forever for the lock of a Popen.poll() that SIGTERM left by an exception.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, 0)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to *process* and to what it started."""
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
