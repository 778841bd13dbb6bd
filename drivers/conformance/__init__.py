"""Does a driver keep the contract of `drivers.base`? The same checks for every kind of printer, ours and those of others.

    bench       what the checks need: a machine that a test can make finish, fail, vanish, ask
    recorder    a listener that judges what must hold at every moment
    checks      the promises, one check each
    races       those of two calls at once
    tools       what the checks are made of

With pytest (and pytest-asyncio), `MyBench` being yours:

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    async def test_my_driver_keeps_the_contract(check: Check, tmp_path: Path) -> None:
        if (reason := await conforms(check, MyBench(tmp_path))) is not None:
            pytest.skip(reason)

docs/adding-a-driver.md walks through it. No part of this is needed to drive a printer.
"""

from drivers.conformance import races  # its checks are in CHECKS with the others
from drivers.conformance.bench import Ability, Bench
from drivers.conformance.checks import OTHER_JOB
from drivers.conformance.recorder import BrokenError
from drivers.conformance.tools import CHECKS, JOB, Check, conforms

__all__ = ["CHECKS", "JOB", "OTHER_JOB", "Ability", "Bench", "BrokenError", "Check", "conforms", "races"]
