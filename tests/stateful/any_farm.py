"""Farms of any kind, also such as no history of ours would lead to."""

from dataclasses import replace

from hypothesis import strategies as st

from scheduler.model import (
    Allocation,
    BedState,
    BuildSpace,
    Declined,
    DesiredVersion,
    Farm,
    Job,
    JobOutcome,
    NodeNow,
    NodeRecord,
    Order,
    PrinterNow,
    Program,
    Revision,
    Rules,
    Stock,
)

RULES = Rules()
NOW_S = 1_000_000.0
GENERATION = 3

NODES = ("n1", "n2", "n3")
PRINTERS = ("p1", "p2", "p3", "p4", "p5", "p6")
PROGRAMS = {
    "one": ("r1", "small", 1, 3600.0, "PLA"),
    "three": ("r1", "small", 3, 9000.0, "PLA"),
    "two": ("r1", "large", 2, 5000.0, "PLA"),
    "slow": ("r1", "large", 1, 50_000.0, "pla "),
    "other": ("r2", "small", 1, 60.0, "PLA"),
    "tough": ("r2", "large", 4, 7200.0, "PETG"),
    "giant": ("r2", "small", 9, 7200.0, "PLA"),  # does not fit
}
SILENT_S = st.sampled_from([0.0, 5.0, 89.0, 91.0, 989.0, 991.0, 43_259.0, 43_261.0, 1e6])
few = st.integers(0, 4)


def program(name: str) -> Program:
    revision, profile, parts, estimated_s, material = PROGRAMS[name]
    return Program(
        sha256=name, name=name, revision=revision, profile=profile, parts=parts, material=material, nozzle_mm=0.4, size_bytes=1,
        estimated_s=estimated_s, filament_mm=1, filament_g=1, layers=1, width_mm=500 if name == "giant" else 100, depth_mm=100,
        height_mm=5, created_at_s=0,
    )  # fmt: skip


printers_now = st.builds(
    PrinterNow,
    id=st.just(""),
    node=st.sampled_from(NODES),
    name=st.just(""),
    profile=st.sampled_from(["small", "small", "large", "unheard-of"]),
    material=st.sampled_from(["PLA", "PLA", "PLA", "PETG"]),
    nozzle_mm=st.sampled_from([0.4, 0.4, 0.4, 0.6]),
    bed=st.sampled_from([BedState.CLEAR, BedState.CLEAR, *BedState]),
    ready=st.booleans(),
    running=st.booleans(),
    job=st.sampled_from([None, "j0", "j1", "j2"]),
    autonomy_s=st.sampled_from([None, None, 100.0, 7200.0]),
    by_hand=st.booleans(),
)
nodes_now = st.builds(
    NodeNow,
    id=st.just(""),
    silent_s=SILENT_S,
    reported=st.none() | st.builds(DesiredVersion, st.sampled_from([GENERATION, GENERATION, GENERATION - 1]), few),
    reported_epoch=st.sampled_from(["e", "e", "old"]),
    reported_head=few,
    replayed=st.sampled_from([True, True, False]),
    online=st.sampled_from([True, True, False]),
)
idle = st.builds(
    PrinterNow, id=st.just(""), node=st.sampled_from(NODES), name=st.just(""), profile=st.sampled_from(["small", "large"]),
    material=st.just("PLA"), nozzle_mm=st.just(0.4), bed=st.just(BedState.CLEAR), ready=st.just(True), running=st.just(False),
    by_hand=st.booleans(),
)  # fmt: skip
at_work = st.builds(
    replace, idle, bed=st.just(BedState.OCCUPIED), ready=st.just(False), running=st.just(True), job=st.sampled_from(["j0", "j1"])
)
rarely_not = st.sampled_from([True, True, True, True, False])
well = st.builds(
    NodeNow,
    id=st.just(""),
    silent_s=st.sampled_from([5.0, 5.0, 5.0, 991.0, 43_261.0]),
    reported=st.builds(DesiredVersion, st.just(GENERATION), st.sampled_from([4, 4, 2])),
    reported_epoch=st.sampled_from(["e", "e", "old"]),
    reported_head=few,
    online=rarely_not,
    replayed=rarely_not,
)
orders = st.builds(
    Order,
    id=st.just(""),
    revision=st.sampled_from(["r1", "r1", "r2"]),
    quantity=st.sampled_from([1, 2, 5, 12, 60]),
    priority=st.integers(-1, 1),
    destination=st.just(""),
    created_at_s=st.sampled_from([0.0, 1.0]),
    good=st.sampled_from([0, 0, 0, 1, 3, 60]),
    cancelled=st.sampled_from([False, False, False, True]),
)


@st.composite
def allocated(draw: st.DrawFn, printers: dict[str, PrinterNow]) -> Allocation:
    name, printer = draw(st.sampled_from(sorted(PROGRAMS))), draw(st.sampled_from(PRINTERS))
    home = printers[printer].node if printer in printers else "n1"
    started, unstarted, withdrawn = draw(few), draw(few), draw(few)
    held = started + unstarted
    return Allocation(
        id="",
        node=draw(st.sampled_from([home, home, home, "n2"])),
        printer=printer,
        order=draw(st.sampled_from(["o0", "o1", "o2", "gone"])),
        revision=PROGRAMS[name][0],
        program=name,
        parts=PROGRAMS[name][2],
        estimated_s=PROGRAMS[name][3],
        jobs=max(0, held - withdrawn),
        held=held,
        autonomy_s=43_200.0,
        created_at_s=draw(st.sampled_from([NOW_S, NOW_S - 299.0, NOW_S - 301.0])),
        started=started,
        lost=draw(st.sampled_from([0, 0, 1, 3])),
        withdrawn=draw(st.none() | st.builds(DesiredVersion, st.just(GENERATION), few)) if withdrawn == 0 else
        DesiredVersion(GENERATION, draw(few)),
    )  # fmt: skip


@st.composite
def begun(draw: st.DrawFn) -> Job:
    name = draw(st.sampled_from(["one", "three", "two", "other"]))
    outcome = draw(st.sampled_from([None, None, *JobOutcome]))
    return Job(
        id="", node=draw(st.sampled_from(NODES)), printer=draw(st.sampled_from(PRINTERS)), allocation="a0",
        order=draw(st.sampled_from(["o0", "o1", "o2", "gone"])), revision=PROGRAMS[name][0], program=name, parts=PROGRAMS[name][2],
        estimated_s=PROGRAMS[name][3], started_at_s=0.0, due_at_s=draw(st.sampled_from([NOW_S - 1, NOW_S + 1])), outcome=outcome,
        collected_at_s=draw(st.sampled_from([None, None, 5.0])), written_off=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def farms(draw: st.DrawFn) -> Farm:
    printers = {
        key: replace(draw(idle | at_work | printers_now), id=key) for key in draw(st.sets(st.sampled_from(PRINTERS), max_size=6))
    }
    wanted = {f"o{index}": order for index, order in enumerate(draw(st.lists(orders, min_size=1, max_size=3)))}
    allocations = draw(st.lists(allocated(printers), max_size=draw(st.sampled_from([0, 1, 2, 5]))))
    declined = draw(st.sets(st.tuples(st.sampled_from(PRINTERS), st.sampled_from(sorted(PROGRAMS))), max_size=3))
    return Farm(
        generation=GENERATION,
        uptime_s=draw(st.sampled_from([1e5, 1e5, 1e5, 89.0])),
        revisions={key: Revision(key, "d", 0.0, recalled=draw(st.sampled_from([False] * 4 + [True]))) for key in ("r1", "r2")},
        programs={key: program(key) for key in draw(st.sets(st.sampled_from(sorted(PROGRAMS)), min_size=5))},
        orders={key: replace(order, id=key, good=min(order.good, order.quantity)) for key, order in wanted.items()},
        allocations={f"a{index}": replace(item, id=f"a{index}") for index, item in enumerate(allocations)},
        jobs={f"j{index}": replace(job, id=f"j{index}") for index, job in enumerate(draw(st.lists(begun(), max_size=4)))},
        stock={key: Stock(key, draw(st.sampled_from([0, 0, 2]))) for key in ("r1", "r2")},
        node_records={
            key: NodeRecord(
                key, key, 0.0, "", revoked=draw(st.sampled_from([False] * 4 + [True])), version=4, epoch="e", seq=draw(few)
            )
            for key in NODES
        },
        nodes={key: replace(draw(well | nodes_now), id=key) for key in draw(st.sampled_from([NODES, NODES, NODES[:2]]))},
        build_spaces={key: BuildSpace(200, 200, 200) for key in ("small", "large")},
        printers=printers,
        declined={key: Declined(1, draw(st.sampled_from([0.0, 2e5]))) for key in sorted(declined)},
    )


@st.composite
def tails(draw: st.DrawFn) -> Farm:
    """All that an order still wants is held at one node, which may be silent, blocked or slow; elsewhere printers idle."""
    holder = replace(draw(idle | printers_now), id="p1", node="n1", profile="small")
    idlers = {
        key: replace(draw(idle), id=key, node=draw(st.sampled_from(NODES[1:])))
        for key in draw(st.sets(st.sampled_from(PRINTERS[1:])))
    }
    held = replace(
        draw(allocated({"p1": holder})), id="a0", node="n1", printer="p1", order="o0", revision="r1", program="one", parts=1
    )
    running = replace(draw(begun()), id="j0", node="n1", printer="p1", order="o0", revision="r1", program="one", parts=1)
    base = draw(farms())
    jobs = {"j0": running} if draw(st.booleans()) else {}
    made = held.held - held.started + sum(job.expected_parts for job in jobs.values())
    quantity = max(1, made + draw(st.sampled_from([0, 0, 0, 1])))
    return replace(
        base,
        uptime_s=1e5,
        printers={"p1": holder, **idlers},
        orders={"o0": Order("o0", "r1", quantity, 0, "", 0.0)},
        allocations={"a0": held},
        jobs=jobs,
        stock={"r1": Stock("r1", 0), "r2": Stock("r2", 0)},
        nodes={**{key: replace(draw(well), id=key) for key in NODES}, "n1": replace(draw(well | nodes_now), id="n1")},
        node_records={key: replace(record, revoked=False) for key, record in base.node_records.items()},
        programs={key: program(key) for key in PROGRAMS},
    )


any_farm = farms() | tails()
