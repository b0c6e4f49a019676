"""One kill, what settles it, and the comparison of rows and store afterwards."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from flask_fs.consistency.gc import collect
from flask_fs.consistency.journal import Entry
from flask_fs.consistency.outcome import Outcome

from .nursery import Nursery
from .steps import State

__all__ = ['Killed', 'Series']

_CLOSE_WAIT = '08'
_DEADLINE_S = 30
#: A file whose entry in the journal is followed by a younger one for the same file is left to the next run.
_RUNS = 3
#: How many boundaries a gc reaches on average that is killed.
_MEAN_OF_GC = 15


class Killed(NamedTuple):
    """What has become of one process.

    :param seed: What it was given.
    :param count: The number of boundaries that it reached.
    :param boundary: The last one; and where a gc after it was killed, in some of the trials.
    :param outcome: What the kill did to the transaction.
    :param wrong: What is not as it has to be, after ``gc``; empty if all is well.
    """

    seed: int
    count: int
    boundary: str
    outcome: str
    wrong: list[str]


class Series:
    """Kills one after the other, with the same rows and the same store, which every child finds as the last one left them.

    :param mean: How many boundaries a process reaches on average, where it is not killed at one of a chosen kind.
    """

    def __init__(self, nursery: Nursery, world: Any, *, mean: float = 150) -> None:
        self.nursery = nursery
        self.world = world
        self.mean = mean
        self.state: State = {}
        #: The boundaries that were reached, and those at which a process was killed.
        self.reached: set[str] = set()
        self.killed_at: set[str] = set()

    def kill(self, seed: int) -> Killed:
        """One trial."""
        response = self._child(seed, self.mean, gc=False)
        said = response['said']
        labels = _reached(said)
        boundary = labels[-1] if labels else 'none'
        status = response['status']
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            failure = next((rest[0] for kind, *rest in said if kind == 'failed'), f'status {status}')
            # Also an error must leave rows and files that agree.
            return Killed(seed, len(labels), boundary, 'failed', [failure, *self._settled(self._outcomes(said)[0])])
        self.reached.update(labels)
        self.killed_at.add(boundary)
        if seed % 3 == 0:
            # A first gc, which is killed too, or ends before.
            said_by_gc = self._child(seed, _MEAN_OF_GC, gc=True)['said']
            boundary += f', then gc at boundary {len(_reached(said_by_gc))}'
            if failures := [str(rest[0]) for kind, *rest in said_by_gc if kind == 'failed']:
                return Killed(seed, len(labels), boundary, 'failed', failures)
        allowed, outcome = self._outcomes(said)
        return Killed(seed, len(labels), boundary, outcome, self._settled(allowed))

    def _child(self, seed: int, mean: float, *, gc: bool) -> dict[str, Any]:
        request = {'seed': seed, 'config': self.world.config, 'state': self.state, 'mean': mean, 'gc': gc}
        return self.nursery.child({**request, 'kinds': [] if gc else sorted(self.reached)})

    def _outcomes(self, said: list[list[Any]]) -> tuple[list[State], str]:
        """What the rows may be: as of the last commit, or also as of the one on its way."""
        committed, intent = self.state, None
        for kind, *rest in said:
            if kind == 'intent':
                intent = rest[0]
            elif kind == 'committed':
                assert intent is not None
                committed, intent = intent, None
        if intent is None:
            return [committed], 'between commits'
        return [committed, intent], 'in a commit'

    def _settled(self, allowed: list[State]) -> list[str]:
        """What is wrong after gc."""
        world = self.world
        # Right after the crash, when a server may not have noticed it.
        self._collect()
        wait_until_servers_noticed(world.ports)
        for _ in range(_RUNS):
            outcomes, left = self._collect()
            if not left:
                break
        state, referenced, wrong = world.seen()
        if left:
            wrong += [f'the journal still has {entry}; gc said {outcomes}' for entry in left]
        if state not in allowed:
            differences = [_difference(state, each) for each in allowed]
            wrong.append(f'the rows are not as of any commit (seen, expected): {" nor ".join(differences)}')
        with world.app.app_context():
            stored = {(storage.name, name) for storage in world.storages for name in storage.list_files()}
        wrong += [f'orphan: {name!r} in {storage!r}' for storage, name in sorted(stored - referenced)]
        wrong += [f'missing: {name!r} in {storage!r}' for storage, name in sorted(referenced - stored)]
        self.state = state
        return wrong

    def _collect(self) -> tuple[list[Outcome], list[Entry]]:
        """What gc did, and what the journal has then."""
        outcomes = list(collect(self.world.app, older_than_s=0, scan=self.world.scanned))
        with self.world.app.app_context():
            return outcomes, list(self.world.source.journal.entries(0) if self.world.source.journal else ())


def _reached(said: list[list[Any]]) -> list[str]:
    return [str(rest[0]) for kind, *rest in said if kind == 'at']


def _difference(seen: State, expected: State) -> str:
    numbers = sorted({*seen, *expected})
    return str({each: (seen.get(each), expected.get(each)) for each in numbers if seen.get(each) != expected.get(each)})


def wait_until_servers_noticed(ports: set[int]) -> None:
    """Wait until no server at *ports* has a connection that the other side has closed, as the dead have.

    A server may complete what the dead one sent last; only then is it clear what there is.
    """
    table = Path('/proc/net/tcp')
    deadline = time.monotonic() + _DEADLINE_S
    while ports and table.exists():
        lines = [line.split() for line in table.read_text().splitlines()[1:]]
        if not any(int(line[1].rpartition(':')[2], 16) in ports and line[3] == _CLOSE_WAIT for line in lines):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f'A server at one of {sorted(ports)} does not notice that its client is dead.')
        time.sleep(0.002)
