"""The pool of connections by itself, with connections that are none."""

from __future__ import annotations

import pytest

from flask_fs_swift.errors import PoolExhausted
from flask_fs_swift.login import Access
from flask_fs_swift.pool import Pool


class Connection:
    closed = 0

    def close(self):
        self.closed += 1


def always(connection):
    return True


def test_a_connection_that_cannot_be_made_leaves_its_place_to_the_next():
    def fail():
        raise ValueError('no such address')

    pool = Pool(1, 0.01)
    for _ in range(3):
        with pytest.raises(ValueError, match='no such address'):
            pool.lend(fail, fits=always)
        assert 0 == pool.lent
    made = Connection()
    assert made is pool.lend(lambda: made, fits=always).connection
    with pytest.raises(PoolExhausted, match='all 1 connections were in use'):
        pool.lend(Connection, fits=always)


@pytest.mark.parametrize('end', ['give_back', 'throw_away'])
def test_a_connection_is_given_back_or_thrown_away_once(end):
    pool = Pool(2, 0.01)
    one, other = Connection(), Connection()
    ended, _kept = pool.lend(lambda: one, fits=always), pool.lend(lambda: other, fits=always)
    getattr(ended, end)()
    ended.give_back()
    ended.throw_away()
    assert 1 == pool.lent
    assert (end == 'throw_away') == one.closed
    assert 0 == other.closed


@pytest.mark.parametrize('end', ['give_back', 'throw_away'])
def test_a_child_closes_what_its_parent_lent_and_keeps_its_own_places(end):
    pool = Pool(1, 0.01)
    parents = Connection()
    lease = pool.lend(lambda: parents, fits=always)
    pool._forked()
    assert lease.is_foreign
    getattr(lease, end)()
    assert 1 == parents.closed
    assert 0 == pool.lent
    own = Connection()
    assert own is pool.lend(lambda: own, fits=always).connection
    with pytest.raises(PoolExhausted):
        pool.lend(Connection, fits=always)


def test_a_token_is_not_shown():
    assert "Access(url='https://store/v1/a')" == repr(Access('https://store/v1/a', 'AUTH_tk1'))
