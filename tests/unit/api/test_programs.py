"""Programs: added once, fetched in pieces."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import programs
from api.programs import MAX_UPLOADS
from api.testing import MemoryControl
from farm.config import DaemonSettings
from gcode.profile import bundled_profiles
from tests.patience import PATIENCE_S
from tests.unit.api.serving import FIELDS, GCODE, client_of
from tests.unit.api.test_problems import check

SHA256 = hashlib.sha256(GCODE).hexdigest()


async def add(client: httpx.AsyncClient, content: bytes = GCODE, **fields: str) -> httpx.Response:
    return await client.post("/api/v1/programs", data={**FIELDS, **fields}, files={"file": ("visor.gcode", content)})


async def test_a_program_is_added_listed_and_read(client: httpx.AsyncClient) -> None:
    answer = await add(client, material="PETG", name="visor")
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/programs/{SHA256}"
    view = answer.json()
    assert (view["sha256"], view["parts"], view["material"], view["name"]) == (SHA256, 2, "PETG", "visor")
    assert (await client.get("/api/v1/programs")).json() == [view]
    detail = (await client.get(answer.headers["location"])).json()
    assert {key: detail[key] for key in view} == view
    assert detail["facts"] == {"layers": 100, "time_s": 3600.0}
    others = sorted(set(bundled_profiles()) - {"generic-210"})
    assert detail["reports"][0]["profile"] == "generic-210"
    assert sorted(report["profile"] for report in detail["reports"][1:]) == others


async def test_profiles_and_limits_tell_a_page_what_it_may_send(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/api/v1/profiles")).json()
    assert {row["id"]: row["name"] for row in rows} == {key: profile.name for key, profile in bundled_profiles().items()}
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    ender = next(row for row in rows if row["id"] == "creality-ender3")
    bed = bundled_profiles()["creality-ender3"].volume
    assert (ender["width_mm"], ender["depth_mm"], ender["height_mm"]) == (
        bed.max_x - bed.min_x,
        bed.max_y - bed.min_y,
        bed.max_z - bed.min_z,
    )
    assert "PLA" in ender["materials"]
    limits = (await client.get("/api/v1/uploads/limits")).json()
    assert limits == {"max_upload_bytes": DaemonSettings().http.max_upload_bytes, "at_once": MAX_UPLOADS}


async def test_what_is_rejected_says_what_other_profiles_say(client: httpx.AsyncClient) -> None:
    body = check(await add(client, content=b"G28\nM502\nG1 X1\n"), 422, "gcode-rejected")
    assert body["verdicts"] == dict.fromkeys(bundled_profiles(), "reject")


async def test_the_same_file_again_changes_nothing(client: httpx.AsyncClient, control: MemoryControl) -> None:
    assert (await add(client)).status_code == 201
    again = await add(client)
    assert again.status_code == 200
    assert again.json()["sha256"] == SHA256
    assert len(control.programs()) == 1
    assert list(control.incoming_folder.iterdir()) == []


async def test_wrong_fields_are_named_and_no_file_stays(client: httpx.AsyncClient, control: MemoryControl) -> None:
    body = check(await add(client, parts="0", colour="red", profile="../etc"), 422, "invalid")
    assert {row["pointer"] for row in body["errors"]} == {"#/parts", "#/colour", "#/profile"}  # type: ignore[attr-defined] # JSON
    check(await client.post("/api/v1/programs", data={"design": "x"}, files={"file": ("a", GCODE)}), 422, "invalid")
    assert list(control.incoming_folder.iterdir()) == []


async def test_empty_fields_of_a_web_form_mean_the_defaults(client: httpx.AsyncClient) -> None:
    answer = await add(client, material="", sha256="", name="")
    assert answer.status_code == 201
    assert answer.json()["material"] == "PLA"


async def test_what_the_farm_refuses_is_told_and_removed(client: httpx.AsyncClient, control: MemoryControl) -> None:
    check(await add(client, b"just text"), 422, "not-gcode")
    check(await add(client, sha256="0" * 64), 422, "hash-mismatch")
    control.full = True
    check(await add(client), 507, "store-full")
    assert list(control.incoming_folder.iterdir()) == []
    assert control.programs() == []


async def test_only_a_few_uploads_at_once(client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(programs.MAX_UPLOADS):
            await app.state.uploads.acquire()
    answer = await add(client)
    check(answer, 429, "throttled")
    assert answer.headers["retry-after"] == "10"
    app.state.uploads.release()
    assert (await add(client)).status_code == 201


async def test_unknown_and_misspelt_programs(client: httpx.AsyncClient) -> None:
    for tail in ("", "/file"):
        check(await client.get(f"/api/v1/programs/{'0' * 64}{tail}"), 404, "not-found")
        check(await client.get(f"/api/v1/programs/{'A' * 64}{tail}"), 422, "invalid")
        check(await client.get(f"/api/v1/programs/..%2f..%2fetc{tail}"), 404, "not-found")


async def test_the_whole_file(client: httpx.AsyncClient, visor: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file")
    assert answer.content == GCODE
    assert answer.headers["etag"] == f'"{visor}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-disposition"] == f'attachment; filename="{visor}.gcode"'


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [("bytes=0-3", 0, 4), ("bytes=5-", 5, len(GCODE)), ("bytes=-4", len(GCODE) - 4, len(GCODE)), ("bytes=3-99999", 3, len(GCODE))],
)
async def test_a_range_resumes_a_download(client: httpx.AsyncClient, visor: str, wanted: str, begin: int, end: int) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.content == GCODE[begin:end]
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(GCODE)}"


@pytest.mark.parametrize("wanted", [f"bytes={len(GCODE)}-", "bytes=99999-100000", "bytes=-0"])
async def test_a_range_behind_the_end(client: httpx.AsyncClient, visor: str, wanted: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"Range": wanted})
    check(answer, 416, "range")
    assert answer.headers["content-range"] == f"bytes */{len(GCODE)}"


@pytest.mark.parametrize(
    "wanted", ["bytes=5-3", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=-", "bytes", "bytes=0-" + "9" * 400]
)
async def test_ranges_that_we_do_not_understand_are_ignored(client: httpx.AsyncClient, visor: str, wanted: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, GCODE)


async def test_if_range_of_another_file_sends_all_of_it(client: httpx.AsyncClient, visor: str) -> None:
    path = f"/api/v1/programs/{visor}/file"
    other = await client.get(path, headers={"Range": "bytes=3-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, GCODE)
    same = await client.get(path, headers={"Range": "bytes=3-", "If-Range": f'"{visor}"'})
    assert (same.status_code, same.content) == (206, GCODE[3:])
    behind = await client.get(path, headers={"Range": "bytes=999-", "If-Range": '"other"'})
    assert behind.status_code == 200


async def test_a_known_file_is_not_sent_again(client: httpx.AsyncClient, visor: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"If-None-Match": f'"{visor}"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_file_that_vanished_from_the_disk_is_our_fault(app: FastAPI, control: MemoryControl, visor: str) -> None:
    control.program_file_path(visor).unlink()
    async with client_of(app) as client:
        check(await client.get(f"/api/v1/programs/{visor}/file"), 500, "internal")


# --- verdicts ---------------------------------------------------------------------------------------------------------------------

TRUSTED = b"M907 X500\n" + GCODE
EVE = {"by": "Eve Martin", "reason": "These motors take it."}


async def test_a_rejected_file_says_line_reason_and_remedy(client: httpx.AsyncClient, control: MemoryControl) -> None:
    body = check(await add(client, GCODE + b"M502\n"), 422, "gcode-rejected")
    findings: Any = body["findings"]
    (finding,) = findings
    assert (finding["rule"], finding["severity"], finding["count"]) == ("settings", "reject", 1)
    assert (finding["hits"][0]["line"], finding["hits"][0]["text"]) == (4, "M502")
    assert finding["fix"]["en"]
    assert finding["fix"]["fr"]
    assert control.programs() == []
    assert list(control.incoming_folder.iterdir()) == []


async def test_a_trusted_only_program_is_printed_once_a_person_answers_for_it(
    client: httpx.AsyncClient, control: MemoryControl
) -> None:
    view = (await add(client, TRUSTED)).json()
    assert (view["verdict"], view["usable"], view["trust"]) == ("trusted-only", False, ["motor-current"])
    order = (await client.post("/api/v1/orders", json={"design": "visor-frame", "quantity": 2})).json()
    assert order["expected"] == 0
    path = f"/api/v1/programs/{view['sha256']}"
    released = await client.post(f"{path}/release", json=EVE)
    assert released.status_code == 200
    assert (released.json()["usable"], released.json()["released_by"]) == (True, "Eve Martin")
    assert (await client.get(f"/api/v1/orders/{order['id']}")).json()["expected"] == 2
    check(await client.post(f"{path}/release", json=EVE), 409, "released-already")
    withdrawn = await client.post(f"{path}/withdraw", json={"by": "Adam", "reason": "hot"})
    assert (withdrawn.status_code, withdrawn.json()["usable"]) == (200, False)
    check(await client.post(f"{path}/withdraw", json={}), 409, "not-released")
    actions = [entry["action"] for entry in (await client.get("/api/v1/audit", params={"subject": view["sha256"]})).json()]
    assert actions == ["program.withdraw", "program.release"]


@pytest.mark.parametrize("wrong", [{}, {"by": "Eve Martin"}, {**EVE, "by": "operator"}, {**EVE, "by": " "}, {**EVE, "reason": ""}])
async def test_a_release_names_a_person_and_a_reason(client: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    view = (await add(client, TRUSTED)).json()
    check(await client.post(f"/api/v1/programs/{view['sha256']}/release", json=wrong), 422, "invalid")


async def test_what_needs_no_release_gets_none(client: httpx.AsyncClient, visor: str) -> None:
    check(await client.post(f"/api/v1/programs/{visor}/release", json=EVE), 409, "release-not-needed")
    check(await client.post(f"/api/v1/programs/{'0' * 64}/release", json=EVE), 404, "not-found")


async def test_only_the_operator_may_release(app: FastAPI, control: MemoryControl) -> None:
    async with client_of(app, address="192.0.2.9") as stranger:
        for tail in ("/release", "/withdraw"):
            check(await stranger.post(f"/api/v1/programs/{'0' * 64}{tail}", json=EVE), 401, "unauthenticated")
    control.add_node("nod-9", password="secret")
    async with client_of(app, address="192.0.2.9", auth=("nod-9", "secret")) as node:
        check(await node.post(f"/api/v1/programs/{'0' * 64}/release", json=EVE), 401, "unauthenticated")
        check(await node.get(f"/api/v1/programs/{'0' * 64}/preview.png"), 401, "unauthenticated")


# --- in the background ------------------------------------------------------------------------------------------------------------


async def begin(client: httpx.AsyncClient, content: bytes = GCODE, prefer: str = "respond-async") -> httpx.Response:
    files = {"file": ("visor.gcode", content)}
    return await client.post("/api/v1/programs", data=FIELDS, files=files, headers={"Prefer": prefer})


@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async, wait=10", "wait=5, respond-async"])
async def test_who_prefers_not_to_wait_is_told_where_to_look(client: httpx.AsyncClient, prefer: str) -> None:
    answer = await begin(client, prefer=prefer)
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    place = answer.headers["location"]
    assert place == f"/api/v1/uploads/{answer.json()['id']}"
    seen = (await client.get(place)).json()
    assert (seen["state"], seen["program"], seen["new"]) == ("ready", SHA256, True)
    assert (await client.get("/api/v1/uploads")).json() == [seen]
    assert (await client.get("/api/v1/farm")).json()["uploads"] == [seen]


async def test_a_refused_upload_keeps_its_findings(client: httpx.AsyncClient, control: MemoryControl) -> None:
    answer = await begin(client, GCODE + b"M502\n")
    assert answer.status_code == 202
    seen = (await client.get(answer.headers["location"])).json()
    assert (seen["state"], seen["problem"]["code"]) == ("refused", "gcode-rejected")
    assert seen["problem"]["findings"][0]["hits"][0]["line"] == 4
    assert list(control.incoming_folder.iterdir()) == []


async def test_another_preference_is_not_taken_for_this_one(client: httpx.AsyncClient) -> None:
    assert (await begin(client, prefer="respond-asynchronously, handling=strict")).status_code == 201


async def test_an_unknown_upload(client: httpx.AsyncClient) -> None:
    check(await client.get("/api/v1/uploads/upload-1"), 404, "not-found")


# --- pictures ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["preview", "thumbnail"])
async def test_a_picture_is_shown_and_nothing_else_can_come_of_it(
    client: httpx.AsyncClient, control: MemoryControl, visor: str, name: str
) -> None:
    path = f"/api/v1/programs/{visor}/{name}.png"
    check(await client.get(path), 404, "not-found")
    control.draw(visor, name, b"\x89PNG")
    answer = await client.get(path)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"\x89PNG", "image/png")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "inline"
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    control.draw(visor, name, b"\x89PNG drawn anew")
    newer = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert newer.content == b"\x89PNG drawn anew"


async def test_other_pictures_are_none(client: httpx.AsyncClient, visor: str) -> None:
    check(await client.get(f"/api/v1/programs/{visor}/other.png"), 422, "invalid")


# --- names ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("visor 2 up.gcode", "visor 2 up.gcode"),
        ("Visière.bgcode", "Visière.gcode"),
        ("plate.gcode.gz", "plate.gcode"),
        ("../../etc/passwd", "etc_passwd.gcode"),
        ("", f"{'a' * 64}.gcode"),
        ("...", f"{'a' * 64}.gcode"),
        ('a"; rm -rf /\n.gcode', "a_ rm -rf _.gcode"),
        ("x" * 500, "x" * 120 + ".gcode"),
    ],
)
def test_a_download_is_named_as_people_name_it_and_never_a_path(name: str, shown: str) -> None:
    assert programs.download_name(name, "a" * 64) == shown


async def test_the_name_goes_with_the_file(client: httpx.AsyncClient) -> None:
    view = (await add(client, name="Visière 2020.gcode")).json()
    answer = await client.get(f"/api/v1/programs/{view['sha256']}/file")
    assert "filename*=utf-8''Visi%C3%A8re%202020.gcode" in answer.headers["content-disposition"]


# --- removed ----------------------------------------------------------------------------------------------------------------------


async def test_a_file_added_by_mistake_is_removed(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    answer = await client.delete(f"/api/v1/programs/{visor}", params={"by": "Eve", "reason": "wrong parts"})
    assert (answer.status_code, answer.content) == (204, b"")
    check(await client.get(f"/api/v1/programs/{visor}"), 404, "not-found")
    entry = control.audit_rows[0]
    assert (entry.who, entry.action, entry.subject, entry.reason) == ("Eve", "program.remove", visor, "wrong parts")
    check(await client.delete(f"/api/v1/programs/{visor}"), 404, "not-found")
    check(await client.delete("/api/v1/programs/zz"), 422, "invalid")
    check(await client.delete(f"/api/v1/programs/{visor}", params={"reason": "x" * 501}), 422, "invalid")
