"""Kill processes that store files for rows, 1,000 times by default, and print every seed that left something wrong.

The databases are SQLite (its journal in the same file, and in another), PostgreSQL and MariaDB; the stores are folders,
SeaweedFS by S3, and GridFS on SecantusDB. ``--seed 17 --kills 1`` repeats one kill of a series from its beginning only if it
was the first: the rows are those that the kills before it left.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from killing.combinations import DATABASES, STORES, settings
from killing.nursery import Nursery, nursery
from killing.rows import World
from killing.trial import Series

from flask_fs_testing.servers import MariadbServer, PostgresServer, SeaweedServer, SecantusServer, Server, SQLService

SERVERS: dict[str, type[Server[Any]]] = {
    'postgres': PostgresServer,
    'mariadb': MariadbServer,
    's3': SeaweedServer,
    'gridfs': SecantusServer,
}


@contextlib.contextmanager
def new_database(name: str, service: SQLService | None, folder: Path) -> Generator[tuple[str, str | None]]:
    """The URL of an empty database, and that of another for its journal, if it is not there."""
    if service is None:
        yield f'sqlite:///{folder}/rows.db', f'sqlite:///{folder}/journal.db' if name == 'sqlite-two' else None
        return
    import sqlalchemy

    url = sqlalchemy.make_url(service.url)
    engine = sqlalchemy.create_engine(url, isolation_level='AUTOCOMMIT', poolclass=sqlalchemy.NullPool)
    fresh = f'kills_{folder.name}'.lower().replace('-', '_')
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE {fresh}')
    yield url.set(database=fresh).render_as_string(hide_password=False), None


def run(
    nursed: Nursery, names: tuple[str, str], services: dict[str, Any], seeds: range, given: argparse.Namespace
) -> int:
    """One series; the number of kills after which something was wrong."""
    database, store = names
    faults, began = 0, time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, journal = stack.enter_context(new_database(database, services.get(database), folder))
        config = {'database': url, 'journal': journal, 'settings': settings(store, services.get(store), folder)}
        world = World(config)
        stack.callback(world.close)
        series = Series(nursed, world, mean=given.mean)
        outcomes: collections.Counter[str] = collections.Counter()
        for each in seeds:
            killed = series.kill(each)
            outcomes[killed.outcome] += 1
            if killed.wrong or given.verbose:
                how = f'seed {each}: killed at boundary {killed.count} ({killed.boundary}), {killed.outcome}'
                print(f'{database} × {store}, {how}', *killed.wrong, sep='\n  ', flush=True)
            faults += bool(killed.wrong)
        missed = series.reached - series.killed_at
        print(
            f'{database} × {store}: {len(seeds)} kills (seeds {seeds[0]} to {seeds[-1]}) in {time.monotonic() - began:.0f} s: '
            f'{faults} wrong; {dict(outcomes)}; killed at {len(series.killed_at)} of {len(series.reached)} kinds of boundary'
            + (f', not at: {", ".join(sorted(missed))}' if missed else ''),
            flush=True,
        )
    return faults


def main() -> None:
    """Read the command line, start the servers, and run all series."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=1000, help='how many, in all combinations together')
    parser.add_argument('--seed', type=int, default=1, help='the first')
    parser.add_argument('--mean', type=float, default=150, help='how many boundaries a process reaches on average')
    parser.add_argument('--database', choices=DATABASES, action='append')
    parser.add_argument('--store', choices=STORES, action='append')
    parser.add_argument('--verbose', action='store_true', help='print each kill')
    given = parser.parse_args()
    databases, stores = given.database or DATABASES, given.store or STORES
    combinations = [(database, store) for store in stores for database in databases]
    faults = 0
    with contextlib.ExitStack() as stack:
        nursed = stack.enter_context(nursery('rows'))
        services: dict[str, Any] = {}
        for name, server in SERVERS.items():
            if name in {*databases, *stores}:
                services[name] = stack.enter_context(server()).service
        each = -(-given.kills // len(combinations))
        for number, names in enumerate(combinations):
            first = given.seed + number * each
            faults += run(nursed, names, services, range(first, first + each), given)
    print(f'{each * len(combinations)} kills, {faults} of them with something wrong.')
    sys.exit(faults > 0)


if __name__ == '__main__':
    main()
