"""People who take parts off the beds. They look at the bed itself, say what they took, and remember it: that is the truth."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from farm.commands.client import FarmClient, ProblemError
from farm.config import NodeSettings
from farm.errors import FarmError
from farm.node.page.client import PageClient
from tests.torment.trace import Trace
from tests.virtual_printers import VirtualPrinters

_LOOK_S: Final = 0.15
_STILL_S: Final = 0.5  # a machine that stood still for so long has made the moves that it had planned
_SCRAP_OF_TEN: Final = 1  # good prints out of ten that have a bad part all the same
_DOUBLE_OF_TEN: Final = 2  # clicks out of ten that come twice
_PAGE_OF_TEN: Final = 3  # looks out of ten that are at the page of the node, where one is open; all while the daemon is away
_REPEAT_S: Final = 1.0  # a word that was not accepted is said again after that


@dataclass(slots=True)
class Claim:
    """What a hand took off a bed for a job, and says of it."""

    job: str
    printer: str
    parts: int
    outcome: str
    prints: list[int]  # that stood on the bed, by the printer's own number
    whole: int  # of them, prints that came to their end
    good: int
    scrap: int
    accepted: bool = False
    said_s: float = 0.0


@dataclass(slots=True)
class Record:
    """All that the hands did and saw."""

    claims: dict[str, Claim] = field(default_factory=dict)
    cleared: dict[str, list[int]] = field(default_factory=dict)  # occupation -> whole prints that were taken off with it
    wrong: list[str] = field(default_factory=list)  # what must never be seen


class Hands(threading.Thread):
    """Collects in the background until `stop`. While `night` is set, nobody is there."""

    def __init__(self, client: FarmClient, page: NodeSettings, printers: VirtualPrinters, trace: Trace, seed: int) -> None:
        super().__init__(name="hands", daemon=True)
        self.record = Record()
        self.farm: dict[str, Any] = {}  # the newest that was seen
        self._client = client
        self._page = page
        self._printers = printers
        self._trace = trace
        self._chance = random.Random(f"hands {seed}")
        self._moved: dict[str, tuple[float, float]] = {}  # printer -> (millimetres, since when)
        self._good: dict[str, int] = {}
        self.night = threading.Event()
        self._ending = threading.Event()
        self.bug: BaseException | None = None

    def stop(self) -> None:
        """End."""
        self._ending.set()
        self.join(60)

    def run(self) -> None:
        """Look at the farm and lend a hand, again and again."""
        try:
            while not self._ending.wait(_LOOK_S):
                at_the_node = self._chance.randrange(10) < _PAGE_OF_TEN
                try:
                    self._look_at_the_node() if at_the_node else self._look_at_the_farm()
                except FarmError:
                    with suppress(FarmError):  # it may be dead too
                        self._look_at_the_node()
        except BaseException as error:
            self.bug = error
            raise

    def _look_at_the_farm(self) -> None:
        self.farm = farm = self._client.get("/farm")
        self._watch_good(farm["orders"])
        self._lend_a_hand(
            farm["printers"], lambda verb, printer, body: self._client.post(f"/printers/{printer}/{verb}", {**body, "by": "hands"})
        )

    def _look_at_the_node(self) -> None:
        page = PageClient(self._page)
        printers = [{**printer, "occupation": _as_the_farm_shows_it(printer["occupation"])} for printer in page.state()["printers"]]
        self._lend_a_hand(
            printers, lambda verb, printer, body: page.post(verb.removesuffix("-bed"), {**body, "printer": printer, "by": "people"})
        )

    def _lend_a_hand(self, printers: list[dict[str, Any]], tell: "Tell") -> None:
        """Do what the beds call for, and say it where they were seen."""
        for printer in [] if self.night.is_set() else printers:
            occupation = printer["occupation"]
            if occupation is None or occupation["running"]:
                continue
            if occupation["kind"] == "job":
                self._collect(printer, occupation, tell)
            elif occupation["kind"] == "unknown":
                self._clear(printer, occupation["id"], tell)

    def _watch_good(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            before = self._good.get(order["id"], 0)
            if order["good"] < before:
                self.record.wrong.append(f"good of {order['id']} fell from {before} to {order['good']}")
            self._good[order["id"]] = order["good"]

    # --- at a bed ----------------------------------------------------------------------------------------------------------------

    def _standing(self, name: str) -> list[dict[str, Any]] | None:
        """What stands on the bed; None while the machine still moves."""
        truth = self._printers.ask(_number(name), snapshot=True)
        standing = [part for part in truth["parts"] if not part["collected"]]
        if any(not part["end"] for part in standing):
            moved, now_s = truth["extruded_mm"], time.monotonic()
            before, since_s = self._moved.get(name, (-1.0, 0.0))
            if moved != before:
                self._moved[name] = (moved, now_s)
                return None
            if now_s - since_s < _STILL_S:
                return None
        return standing

    def _take_off(self, name: str) -> list[dict[str, Any]] | None:
        standing = self._standing(name)
        if standing:
            removed = self._printers.ask(_number(name), remove_parts=True)["removed"]
            if removed != len(standing):
                self.record.wrong.append(f"{name}: {removed} prints were taken off, {len(standing)} stood there")
        return standing

    def _collect(self, printer: dict[str, Any], occupation: dict[str, Any], tell: "Tell") -> None:
        claim = self.record.claims.get(occupation["id"])
        if claim is None:
            standing = self._take_off(printer["name"])
            if standing is None:
                return
            claim = self._claim(printer["name"], occupation, standing)
            self.record.claims[claim.job] = claim
        if time.monotonic() - claim.said_s > _REPEAT_S:
            self._say(printer["id"], claim, tell)

    def _claim(self, name: str, occupation: dict[str, Any], standing: list[dict[str, Any]]) -> Claim:
        parts, job = occupation["good_at_most"], occupation["id"]
        whole = sum(part["finished"] for part in standing)
        scrap = parts if standing and not whole else 0
        if whole and self._chance.randrange(10) < _SCRAP_OF_TEN:
            scrap = 1
        good = parts - scrap if whole else 0
        if len(standing) > 1:
            self.record.wrong.append(f"{name}: {len(standing)} prints stood there for the one job {job}")
        if occupation["outcome"] == "printed" and not whole:
            self.record.wrong.append(f"{name}: job {job} is told to be printed, and what stands there is {standing}")
        claim = Claim(job, name, parts, occupation["outcome"], [part["number"] for part in standing], whole, good, scrap)
        self._trace.say(f"hand: {name} {job} {claim.outcome}: prints {claim.prints}, {good} good, {scrap} scrap")
        return claim

    def _say(self, printer: str, claim: Claim, tell: "Tell") -> None:
        body = {"job": claim.job, "good": claim.good, "scrap": claim.scrap}
        claim.said_s = time.monotonic()
        for _ in range(2 if self._chance.randrange(10) < _DOUBLE_OF_TEN else 1):
            try:
                tell("collect", printer, body)
                claim.accepted = True
            except FarmError as error:
                self._refused(claim, error)

    def _refused(self, claim: Claim, error: FarmError) -> None:
        self._trace.say(f"hand: {claim.job} not accepted: {error.code}: {error.detail}")
        if isinstance(error, ProblemError) and error.code == "collect-pending" and not claim.accepted:
            self.record.wrong.append(f"somebody else spoke for {claim.job} before the hand that took it off")

    def _clear(self, printer: dict[str, Any], occupation: str, tell: "Tell") -> None:
        if occupation not in self.record.cleared:
            standing = self._take_off(printer["name"])
            if standing is None:
                return
            whole = [part["number"] for part in standing if part["finished"]]
            self.record.cleared[occupation] = whole
            self._trace.say(f"hand: {printer['name']} {occupation} unknown: {len(standing)} prints taken off, {len(whole)} whole")
            if whole:
                self.record.wrong.append(f"{printer['name']}: whole prints {whole} stood there, and no job tells of them")
        with suppress(FarmError):
            tell("clear-bed", printer["id"], {"occupation": occupation})

    # --- people who click without looking ----------------------------------------------------------------------------------------

    def click_stale(self, client: FarmClient, pick: int) -> str:
        """Say something else about a job that was spoken for long ago: nothing may come of it."""
        known = [claim for claim in list(self.record.claims.values()) if claim.accepted]
        printers = {printer["name"]: printer["id"] for printer in self.farm.get("printers", [])}
        if not known or not printers:
            return "nothing was collected yet"
        claim = known[pick % len(known)]
        body = {"job": claim.job, "good": claim.parts - claim.good, "scrap": 0, "by": "stale click"}
        try:
            client.post(f"/printers/{printers[claim.printer]}/collect", body)
        except FarmError as error:
            return f"{claim.job} refused: {error.code}"
        return f"{claim.job} was taken: its node must refuse it"


Tell = Callable[[str, str, dict[str, Any]], Any]  # verb, printer, what is said


def _as_the_farm_shows_it(occupation: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a node's page shows of a bed, in the words of the farm's API."""
    if occupation is None:
        return None
    job = occupation["job"]
    ended = job is not None and occupation["outcome"] is not None
    return {**occupation, "running": job is not None and not ended, "good_at_most": job["parts"] if ended else 0}


def _number(name: str) -> int:
    return int(name.split()[1])
