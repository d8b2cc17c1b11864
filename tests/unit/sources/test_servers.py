"""A web server that does not answer is told apart from a network that does not."""

from __future__ import annotations

import threading

from producer.sources.remote.address import parsed
from producer.sources.remote.servers import Servers

SERVERS_MAX = 1_000

ADDRESS = parsed(b"https://host/a.jpg")


def test_a_server_fails_alone_if_another_one_has_answered_however_many_are_asked() -> None:
    servers = Servers()
    with servers.asked(b"dead") as dead:
        dead.fails()
        assert not servers.others_answer(dead)
        for number in range(3 * SERVERS_MAX):
            with servers.asked(b"%d" % number) as other:
                other.answers(ADDRESS)
        assert servers.others_answer(dead)
    assert len(servers._known) <= SERVERS_MAX


def test_a_server_that_is_asked_meanwhile_decides() -> None:
    servers, results = Servers(), list[bool]()
    with servers.asked(b"dead") as dead, servers.asked(b"slow") as slow:
        dead.fails()
        waiting = threading.Thread(target=lambda: results.append(servers.others_answer(dead)))
        waiting.start()
        slow.answers(ADDRESS)
        waiting.join()
    assert results == [True]


def test_two_servers_that_both_fail_do_not_wait_for_each_other() -> None:
    servers = Servers()
    with servers.asked(b"one") as one, servers.asked(b"two") as two:
        one.fails()
        two.fails()
        assert not servers.others_answer(one)
        assert not servers.others_answer(two)
