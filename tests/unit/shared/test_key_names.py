"""Names in Redis that another version of Hangtag does not see."""

from __future__ import annotations

import re

from shared import keys
from tests.support.processes.fleet import ROOT

NUMBERED = "hangtag:3:"
#: Where workers of 0.2.0 are; only read.
OF_0_2_0 = {"hangtag:workers", "hangtag:worker:"}


def test_every_name_has_the_protocols_number() -> None:
    names = {value for value in vars(keys).values() if isinstance(value, str) and ":" in value[:9]}
    names -= {keys.__doc__}
    assert {name for name in names if not name.startswith(NUMBERED)} == OF_0_2_0
    made = [keys.worker("w"), keys.model_card("m", 1), keys.blob("0")]
    made += [keys.model_history("m"), keys.model_sizes("m"), keys.request("r", "state")]
    assert all(name.startswith(NUMBERED) for name in [*made, *keys.job_keys("abcdefgh")])


def test_the_scripts_and_the_users_have_the_same_number() -> None:
    scripts = (ROOT / "shared/ledger/lua").rglob("*.lua")
    names = re.findall(r"'(hangtag:[^']*)'", "".join(script.read_text() for script in scripts))
    assert names == [keys.worker("")]
    users = (ROOT / "deploy/redis/users.acl").read_text()
    patterns = set(re.findall(r"(%R|)~(\S+?)\)?(?=\s)", users))
    other = {pattern for pattern in patterns if not pattern[1].startswith(NUMBERED)}
    assert other == {("%R", "hangtag:workers"), ("%R", "hangtag:worker:*")}
