"""Carries out a plan on a stage, and rests now and then so that everything can be compared."""

import heapq
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any, Final

from farm.commands.client import FarmClient
from farm.errors import FarmError, UnreachableError
from gcode.texts import told
from tests.torment.audit import Evidence, Verdict, audit
from tests.torment.hands import Hands
from tests.torment.ledgers import read_books
from tests.torment.plan import ROUND_S, Act, Kind
from tests.torment.stage import NODES, Stage
from tests.torment.trace import Trace
from tests.torment.watch import Watch

REST_S: Final = 240.0  # real time after which what is not met is stuck: drivers and fetches wait a minute between two attempts
_TICK_S: Final = 0.02
_TRIES: Final = 6  # of people at a page that does not answer, a second apart
_LOOK_S: Final = 0.5


class StuckError(Exception):
    """Faults are off, and still not everything comes to rest."""


class Tormentor:
    """One run."""

    def __init__(self, stage: Stage, hands: Hands, watch: Watch, trace: Trace) -> None:
        self.counts: Counter[str] = Counter()
        self._stage = stage
        self._hands = hands
        self._watch = watch
        self._trace = trace
        self._client = stage.client()
        self._people = ThreadPoolExecutor(1, thread_name_prefix="people")
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def close(self) -> None:
        """Let go of the people."""
        self._people.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    # --- time --------------------------------------------------------------------------------------------------------------------

    def _later(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._numbers), action))

    def _pass_time(self, until_s: float) -> None:
        while (now_s := time.monotonic()) < until_s:
            if self._due and self._due[0][0] <= now_s:
                heapq.heappop(self._due)[2]()
            else:
                self._stage.watch()
                time.sleep(_TICK_S)

    def torment(self, number: int, acts: list[Act]) -> None:
        """One round. What lasts longer goes on in the next one."""
        self._trace.say(f"round {number}: {', '.join(map(str, acts))}", aloud=True)
        began_s = time.monotonic()
        for act in acts:
            self._later(began_s + act.at_s, lambda act=act: self._do(act))  # type: ignore[misc]  # mypy cannot infer the default's type
        self._pass_time(began_s + ROUND_S)

    def _do(self, act: Act) -> None:
        self.counts[act.kind] += 1
        self._trace.say(f"now: {act}")
        over = DEEDS[act.kind](self, act)
        if over is not None:
            self._later(time.monotonic() + act.for_s, lambda: self._end(act, over))

    def _end(self, act: Act, over: Callable[[], None]) -> None:
        self._trace.say(f"over: {act.kind} {act.target}")
        over()

    # --- at rest -----------------------------------------------------------------------------------------------------------------

    def rest(self) -> Verdict:
        """All faults off; wait until everything is met and collected; compare."""
        self._trace.say("rest: all faults off", aloud=True)
        for _, _, action in sorted(self._due, key=lambda due: due[:2]):
            action()
        self._due.clear()
        self._stage.calm()
        self._hands.night.clear()
        began_s = time.monotonic()
        stuck = self._wait_for_peace(began_s + REST_S)
        self._trace.say(f"rest: after {time.monotonic() - began_s:.1f} s {stuck or 'all is at rest'}", aloud=True)
        verdict = audit(self._evidence())
        if stuck:
            verdict.violations.append(f"stuck: {stuck}")
        return verdict

    def _wait_for_peace(self, until_s: float) -> str:
        unrest = "nothing was seen"
        asked = self._people.submit(lambda: None)  # done when everybody before has spoken
        while time.monotonic() < until_s:
            self._pass_time(time.monotonic() + _LOOK_S)
            if self._hands.bug is not None:
                return f"the hands stopped: {self._hands.bug!r}"
            before = unrest
            try:
                unrest = self._unrest() if asked.done() else "people still ask"
            except FarmError as error:
                unrest = f"the API says: {error.detail}"
            if not unrest:
                return ""
            if unrest != before:
                self._trace.say(f"not yet: {unrest}")
        return unrest

    def _unrest(self) -> str:
        farm = self._client.get("/farm")
        self._resume(farm)
        waiting = [order["id"] for order in farm["orders"] if order["state"] == "open"]
        busy = [f"{one['name']} {one['state']} {one['bed']}" for one in farm["printers"] if not _is_idle(one)]
        away = [node["name"] for node in farm["nodes"] if node["name"] in NODES and (not node["online"] or node["journal_behind"])]
        if waiting or busy or away:
            return f"open {waiting}, printers {busy}, nodes {away}"
        return self._untold()

    def _untold(self) -> str:
        books = self._books()
        late = [node for node, ledger in books.ledgers.items() if books.nodes[node]["seq"] != ledger.head]
        return f"not told {late}, words {len(books.pending)}" if late or books.pending else ""

    def _resume(self, farm: dict[str, Any]) -> None:
        """What somebody paused, and nobody could let go on because the node was away."""
        for printer in farm["printers"]:
            if printer["state"] == "paused" and printer["occupation"]:
                with suppress(FarmError):
                    self._client.post(f"/jobs/{printer['occupation']['id']}/command", {"action": "resume"})

    def _books(self) -> Any:
        return read_books(self._stage.database("daemon"), {name: self._stage.database(name) for name in NODES})

    def _evidence(self) -> Evidence:
        printers = self._stage.printers
        with suppress(FarmError):
            self._hands.farm = self._client.get("/farm")
        return Evidence(
            books=self._books(),
            record=self._hands.record,
            seen=self._watch.seen,
            truth={f"virtual {number}": printers.ask(number, snapshot=True) for number in range(1, printers.count + 1)},
            farm=self._hands.farm,
            ready=self._client.answers("/readyz"),
            unexpected=self._stage.unexpected,
        )

    # --- deeds: each returns what ends it, or None -------------------------------------------------------------------------------

    def _kill(self, act: Act) -> Callable[[], None]:
        names = act.target.split("+")
        for name in names:
            self._stage.kill(name)
        again = names if act.pick % 2 else names[::-1]

        def start() -> None:
            for name in again:
                self._stage.start(name)

        return start

    def _kill_at_commit(self, act: Act) -> Callable[[], None]:
        self._stage.kill_at_commit(act.target)
        return lambda: self._stage.start(act.target)

    def _kill_broker(self, _act: Act) -> None:
        self._stage.kill_broker()

    def _end_process(self, act: Act) -> Callable[[], None]:
        self._stage.end(act.target)
        return lambda: self._stage.start(act.target)

    def _sleep(self, act: Act) -> Callable[[], None]:
        asleep = self._stage.sleep(act.target)
        return lambda: self._stage.wake(asleep)

    def _cut(self, act: Act) -> Callable[[], None] | None:
        cable = self._stage.cable
        if cable is None:
            return None
        {Kind.CUT: cable.cut, Kind.CUT_UP: cable.cut_up, Kind.CUT_DOWN: cable.cut_down}[act.kind]()
        return cable.mend

    def _fill(self, act: Act) -> Callable[[], None] | None:
        if self._stage.cable is None:
            return None
        self._stage.fill(act.target)
        return lambda: self._stage.free(act.target)

    def _unplug(self, act: Act) -> Callable[[], None]:
        number = int(act.target)
        self._stage.printers.control(number, fault="unplug")
        return lambda: self._stage.printers.control(number, fault="replug")

    def _night(self, _act: Act) -> Callable[[], None]:
        self._hands.night.set()
        return self._hands.night.clear

    def _reset(self, act: Act) -> None:
        self._stage.printers.control(int(act.target), fault="reset")

    # --- people at the page ------------------------------------------------------------------------------------------------------

    def _ask(self, act: Act, words: Callable[[FarmClient], str]) -> None:
        """In a thread: a daemon that sleeps answers late."""

        def ask() -> None:
            for _ in range(_TRIES):
                try:
                    said = words(self._client)
                except UnreachableError as error:
                    said = f"not yet: {error.detail}"
                    time.sleep(1.0)
                    continue
                except FarmError as error:
                    said = f"refused: {error.code}: {error.detail}"
                break
            self._trace.say(f"people: {act.kind}: {said}")

        self._people.submit(ask)

    def _order(self, act: Act) -> None:
        body = {"design": act.target, "quantity": act.pick}
        self._ask(act, lambda client: f"{client.post('/orders', body)['id']} of {act.pick} {act.target}")

    def _open_order(self, pick: int) -> dict[str, Any]:
        found = [order for order in self._hands.farm.get("orders", []) if order["state"] == "open"]
        if not found:
            raise FarmError(told("no order is open"), next_step=told("Order something."), code="none-open")
        order: dict[str, Any] = found[pick % len(found)]
        return order

    def _reduce(self, act: Act) -> None:
        def reduce(client: FarmClient) -> str:
            order = self._open_order(act.pick)
            client.patch(f"/orders/{order['id']}", {"quantity": max(1, order["quantity"] // 2)})
            return f"{order['id']} halved"

        self._ask(act, reduce)

    def _cancel_order(self, act: Act) -> None:
        def cancel(client: FarmClient) -> str:
            order = self._open_order(act.pick)
            client.post(f"/orders/{order['id']}/cancel")
            return f"{order['id']} cancelled"

        self._ask(act, cancel)

    def _command(self, client: FarmClient, pick: int, action: str) -> str:
        running = [
            one["occupation"]["id"] for one in self._hands.farm.get("printers", []) if (one["occupation"] or {}).get("running")
        ]
        if not running:
            return "nothing runs"
        job = running[pick % len(running)]
        client.post(f"/jobs/{job}/command", {"action": action})
        return f"{action} {job}"

    def _cancel_job(self, act: Act) -> None:
        self._ask(act, lambda client: self._command(client, act.pick, "cancel"))

    def _pause(self, act: Act) -> Callable[[], None]:
        self._ask(act, lambda client: self._command(client, act.pick, "pause"))
        return lambda: self._ask(act, self._resume_all)

    def _resume_all(self, client: FarmClient) -> str:
        self._resume(client.get("/farm"))
        return "whatever was paused goes on"

    def _stale_clicks(self, act: Act) -> None:
        self._ask(act, lambda client: self._hands.click_stale(client, act.pick))


def _is_idle(printer: dict[str, Any]) -> bool:
    return bool(printer["online"] and printer["state"] == "idle" and printer["bed"] == "clear")


_Deed = Callable[[Tormentor, Act], Callable[[], None] | None]
DEEDS: Final[dict[Kind, _Deed]] = {
    Kind.KILL: Tormentor._kill,
    Kind.KILL_PAIR: Tormentor._kill,
    Kind.KILL_AT_COMMIT: Tormentor._kill_at_commit,
    Kind.KILL_BROKER: Tormentor._kill_broker,
    Kind.END: Tormentor._end_process,
    Kind.SLEEP: Tormentor._sleep,
    Kind.SLEEP_BROKER: Tormentor._sleep,
    Kind.CUT: Tormentor._cut,
    Kind.CUT_UP: Tormentor._cut,
    Kind.CUT_DOWN: Tormentor._cut,
    Kind.FILL: Tormentor._fill,
    Kind.UNPLUG: Tormentor._unplug,
    Kind.RESET: Tormentor._reset,
    Kind.CANCEL: Tormentor._cancel_job,
    Kind.PAUSE: Tormentor._pause,
    Kind.ORDER: Tormentor._order,
    Kind.REDUCE: Tormentor._reduce,
    Kind.CANCEL_ORDER: Tormentor._cancel_order,
    Kind.NIGHT: Tormentor._night,
    Kind.STALE_CLICKS: Tormentor._stale_clicks,
}
