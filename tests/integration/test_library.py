"""The library of a real daemon: what is uploaded, packed, rejected, released and printed, and what a kill leaves behind."""

import gzip
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from farm.bus.broker import find_mosquitto
from farm.commands.client import ProblemError
from farm.commands.local_farm import LocalFarm
from farm.store.library import sha256_of
from farm.store.writer import FILE_NAME
from tests.bench.processes import children, command_line
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.unit.gcode.containers.made import small_bgcode
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("library")]

SPEED = 20.0
PATIENCE_S = 240.0
FIELDS = {"design": "square", "revision": "square-1", "profile": "generic-210", "parts": 1, "material": "PLA"}
TRUSTED = small_program(first_line="M907 X500")
SECRET = "0123456789ABCDEF0123456789ABCDEF"


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=SPEED, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        local.start_daemon()
        yield local


def begin(farm: LocalFarm, content: bytes, name: str = "square.gcode", **fields: Any) -> str:
    """Send a file and do not wait; the id of the upload."""
    answer = httpx.post(
        f"{farm.url}/api/v1/programs",
        data={key: str(value) for key, value in {**FIELDS, "name": name, **fields}.items()},
        files={"file": (name, content)},
        headers={"Prefer": "respond-async"},
        timeout=60.0,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(farm: LocalFarm, upload: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def done() -> bool:
        nonlocal seen
        seen = farm.get(f"/uploads/{upload}")
        return seen["state"] in {"ready", "refused"}

    farm.wait_until(done, what="the upload to be checked", timeout_s=PATIENCE_S)
    return seen


def refused(farm: LocalFarm, content: bytes, **fields: Any) -> ProblemError:
    with pytest.raises(ProblemError) as error:
        farm.add_program(content, **{**FIELDS, **fields})
    return error.value


def kept(farm: LocalFarm) -> list[Path]:
    return sorted((farm.data / "programs").rglob("*.gcode"))


def left_over(farm: LocalFarm) -> list[Path]:
    return list((farm.data / "programs" / "incoming").iterdir())


def picture(farm: LocalFarm, sha256: str, name: str) -> httpx.Response:
    return httpx.get(f"{farm.url}/api/v1/programs/{sha256}/{name}.png", timeout=30.0, trust_env=False)


def test_what_comes_in_is_plain_clean_checked_drawn_and_not_read_twice(farm: LocalFarm) -> None:
    content = small_program() + f"; printhost_apikey = {SECRET}\n".encode()
    packed = gzip.compress(content)
    view = farm.add_program(packed, **FIELDS)
    (path,) = kept(farm)
    assert (path.stem, sha256_of(path)) == (view["sha256"], view["sha256"])
    assert SECRET.encode() not in path.read_bytes()
    assert not any(SECRET.encode() in found.read_bytes() for found in (farm.data / "programs").rglob("*") if found.is_file())
    assert SECRET.encode() not in (farm.data / FILE_NAME).read_bytes()

    detail = farm.get(f"/programs/{view['sha256']}")
    assert detail["facts"]["layers"] == 4
    assert detail["reports"][0]["profile"] == "generic-210"
    assert (detail["verdict"], detail["usable"], detail["has_preview"], detail["has_thumbnail"]) == ("pass", True, True, True)
    for name in ("preview", "thumbnail"):
        assert picture(farm, view["sha256"], name).content[:8] == b"\x89PNG\r\n\x1a\n"

    assert ended(farm, begin(farm, packed))["new"] is False
    assert farm.add_program(packed, **FIELDS)["sha256"] == view["sha256"]
    assert len(kept(farm)) == 1
    assert left_over(farm) == []
    farm.daemon.kill()
    farm.start_daemon()
    assert farm.add_program(packed, **FIELDS)["uploaded_sha256"] == view["uploaded_sha256"]
    assert farm.get(f"/programs/{view['sha256']}")["facts"] == detail["facts"]


def test_binary_gcode_is_unpacked(farm: LocalFarm) -> None:
    seen = ended(farm, begin(farm, small_bgcode(text=small_program()), "square.bgcode"))
    assert seen["state"] == "ready", seen["problem"]
    (path,) = kept(farm)
    assert path.stem == seen["program"]
    assert path.read_bytes().endswith(small_program())
    answer = httpx.get(f"{farm.url}/api/v1/programs/{path.stem}/file", timeout=30.0, trust_env=False)
    assert 'filename="square.gcode"' in answer.headers["content-disposition"]


def test_what_is_refused_says_why_and_leaves_nothing(farm: LocalFarm) -> None:
    rejected = refused(farm, small_program(first_line="M502"))
    assert rejected.code == "gcode-rejected"
    (finding,) = [found for found in rejected.problem["findings"] if found["severity"] == "reject"]
    assert finding["hits"][0]["line"] == 1
    assert finding["fix"]["en"]
    assert finding["fix"]["fr"]

    bomb = gzip.compress(b"\n" * 80_000_000)
    assert refused(farm, bomb).code == "not-gcode"
    assert refused(farm, b"\x89PNG\r\n\x1a\n" + bytes(5_000)).code == "not-gcode"
    in_background = ended(farm, begin(farm, small_program(first_line="M997")))
    assert (in_background["state"], in_background["problem"]["code"]) == ("refused", "gcode-rejected")
    assert in_background["problem"]["findings"]
    assert kept(farm) == []
    assert left_over(farm) == []
    assert farm.get("/programs") == []
    assert farm.get("/designs") == []


def test_a_trusted_only_program_is_printed_when_somebody_answers_for_it(farm: LocalFarm, tmp_path: Path) -> None:
    with VirtualPrinters(tmp_path, count=1, speed=SPEED) as printers:
        (farm.folder / "limits.toml").write_text("accept_trusted = true\n")  # the owner of the node says so
        farm.add_node("workshop", printers.sections())
        view = farm.add_program(TRUSTED, **FIELDS)
        assert (view["verdict"], view["usable"], view["trust"]) == ("trusted-only", False, ["machine-tuning"])
        order = farm.post("/orders", {"design": "square", "quantity": 1})["id"]

        def waits() -> bool:
            reasons: list[dict[str, str]] = farm.get(f"/orders/{order}")["why_waiting"]
            return any(reason["code"] == "program-not-released" for reason in reasons)

        farm.wait_until(waits, what="the reason why nothing is printed", timeout_s=PATIENCE_S)
        assert farm.get("/jobs") == []
        with pytest.raises(ProblemError):
            farm.post(f"/programs/{view['sha256']}/release", {"by": "operator", "reason": "because"})
        farm.post(f"/programs/{view['sha256']}/release", {"by": "Eve Martin", "reason": "Our motors take it."})

        def met() -> bool:
            farm.be_the_hands(lambda _name: printers.control(1, remove_parts=True))
            return bool(farm.get(f"/orders/{order}")["state"] == "met")

        farm.wait_until(met, what="the order to be met", timeout_s=PATIENCE_S)
        assert printers.truth()[0]["parts_finished"] == 1
        entries = farm.get("/audit", subject=view["sha256"])
        assert [(entry["who"], entry["action"], entry["detail"]) for entry in entries] == [
            ("Eve Martin", "program.release", "machine-tuning=1")
        ]


def test_a_daemon_killed_in_the_middle_of_an_inspection_leaves_nothing_half_done(farm: LocalFarm) -> None:
    body = small_program()
    big = body + b"G1 X100.5 Y100.5 E0.01 F3000\nG1 X101.5 Y101.5 E0.01\n" * 500_000
    upload = begin(farm, big)

    assert farm.daemon.process is not None
    daemon, readers = farm.daemon.process.pid, list[int]()

    def reading() -> bool:  # what it is called comes a moment before the process that does it
        readers[:] = [pid for pid in children(daemon) if "farm.daemon.inspector" in command_line(pid)]
        return bool(readers) and farm.get(f"/uploads/{upload}")["state"] in {"checking", "drawing"}

    farm.wait_until(reading, what="the inspection to be under way", timeout_s=PATIENCE_S)
    farm.daemon.kill()
    farm.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in readers), what="the reader to die with it")
    assert left_over(farm) != []  # it had no time to tidy up

    farm.start_daemon()
    assert left_over(farm) == []
    assert kept(farm) == []
    assert farm.get("/programs") == []
    assert farm.get("/uploads") == []
    with sqlite3.connect(farm.data / FILE_NAME) as database:
        for table in ("programs", "program_facts", "program_reports", "revisions"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    database.close()
    assert farm.add_program(body, **FIELDS)["usable"]
