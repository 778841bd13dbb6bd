"""The agent's own check of programs, with the real judge in a process of its own."""

import hashlib
from pathlib import Path

import pytest

from farm.errors import ConfigurationError
from tests.unit.farm.node.fake_farm import order, until, workshop


async def test_what_the_agent_refuses_is_reported_and_never_started(tmp_path: Path) -> None:
    program = b"G28\nM104 S900\nG1 X1 Y1 E1\n"
    sha = hashlib.sha256(program).hexdigest()
    async with workshop(tmp_path, "left", check=None) as shop:
        (tmp_path / "programs" / f"{sha}.gcode").write_bytes(program)
        await shop.clear("left")
        printer = shop.printer("left")
        shop.farm.want({printer: [order(sha=sha, size=len(program))]})
        await until(lambda: shop.farm.report.printers[0].refusals)
        (refusal,) = shop.farm.report.printers[0].refusals
        assert (refusal.program, refusal.reason.code) == (sha, "gcode-refused")
        assert "900 > 260 °C" in refusal.reason.fr
        assert "job-started" not in shop.farm.kinds()
        assert "start" not in [call[0] for call in shop.drivers["left"].calls]


async def test_limits_that_cannot_be_read_keep_the_agent_from_starting(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text("max_nozzle_c = hot")
    with pytest.raises(ConfigurationError, match=r"limits\.toml"):
        async with workshop(tmp_path / "data", "left", limits=tmp_path / "limits.toml"):
            pass


async def test_quiet_hours_of_the_owners_limits_hold(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text('quiet_hours = ["00:00-23:59", "12:00-11:00"]')
    async with workshop(tmp_path / "data", "left", limits=tmp_path / "limits.toml") as shop:
        await shop.clear("left")
        shop.farm.want({shop.printer("left"): [order()]})
        await until(lambda: "quiet-hours" in str(shop.farm.report.printers[0].reason), what="quiet hours")
        assert "job-started" not in shop.farm.kinds()


async def test_a_limit_for_no_printer_of_this_node_starts_nothing_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text('[printers."Nobody"]\nmax_bed_c = 50\n')
    async with workshop(tmp_path / "data", "left", limits=tmp_path / "limits.toml") as shop:
        await shop.clear("left")
        shop.farm.want({shop.printer("left"): [order()]})
        await until(lambda: "limits-unreadable" in str(shop.farm.report.printers[0].reason), what="the reason")
        assert "Nobody" in str(shop.farm.report.printers[0].reason)
        assert "job-started" not in shop.farm.kinds()
        (tmp_path / "limits.toml").write_text('[printers."left"]\nmax_bed_c = 50\n')
        await until(lambda: "job-started" in shop.farm.kinds(), what="a start once it is mended")
