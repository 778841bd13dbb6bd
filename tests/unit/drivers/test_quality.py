"""Every driver answers every rule of drivers/quality.py, and what it says is so, as far as a program can see."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs would be one more package for one test

import drivers.errors
from drivers.base import CAPABILITY_PROTOCOLS, Capability
from drivers.conformance import Ability
from drivers.errors import AddressError, DriverError
from drivers.marlin.faults import RULES as MARLIN_FAULTS
from drivers.quality import DONE, EXEMPT, RULES
from drivers.registry import BUILT_IN, open_driver
from tests.unit.drivers.benches import BENCHES

ROOT = Path(__file__).parents[3]
KINDS: Final = sorted({target.partition(":")[0].split(".")[1] for target in BUILT_IN.values()})
WRONG_URLS: Final = {
    "marlin": "marlin:///dev/ttyUSB0?colour=red",
    "virtual": "virtual://?colour=red",
    "octoprint": "octoprint+http://printer.local?colour=red",
    "manual": "manual://?colour=red",
}
ERRORS: Final = {name for name, kind in inspect.getmembers(drivers.errors, inspect.isclass) if issubclass(kind, DriverError)}
CAPABILITIES: Final = {
    "prompts": Capability.PROMPTS,
    "console": Capability.CONSOLE,
    "snapshot": Capability.SNAPSHOT,
    "eject": Capability.EJECT,
    "power": Capability.POWER,
    "transcript": Capability.TRANSCRIPT,
}
ABILITIES: Final = {"reconnects": Ability.VANISH, "foreign-prints": Ability.FOREIGN}


def place_of(kind: str) -> Path:
    package = ROOT / "drivers" / kind
    return package / "quality.yaml" if package.is_dir() else package.with_name(f"{kind}.quality.yaml")


def answers(kind: str) -> dict[str, Any]:
    content = yaml.safe_load(place_of(kind).read_text("utf-8"))
    assert list(content) == ["rules"]
    rules: dict[str, Any] = content["rules"]
    return rules


def is_done(kind: str, rule: str) -> bool:
    return bool(answers(kind)[rule] == DONE)


def modules_of(kind: str) -> list[Path]:
    package = ROOT / "drivers" / kind
    return sorted(package.glob("*.py")) if package.is_dir() else [package.with_suffix(".py")]


def test_all_our_kinds_are_looked_at() -> None:
    assert set(KINDS) == {"manual", "marlin", "octoprint", "virtual"} == set(WRONG_URLS)
    files = [*ROOT.glob("drivers/*/quality.yaml"), *ROOT.glob("drivers/*.quality.yaml")]
    assert sorted(files) == sorted(place_of(kind) for kind in KINDS), "no file is there that nobody reads"


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_is_answered_in_order_and_every_exemption_has_a_reason(kind: str) -> None:
    rules = answers(kind)
    assert list(rules) == list(RULES)
    for rule, answer in rules.items():
        if answer == DONE:
            continue
        assert isinstance(answer, dict), rule
        assert list(answer) == [EXEMPT], rule
        reason = answer[EXEMPT]
        assert isinstance(reason, str), rule
        assert len(reason.split()) >= 4, f"{rule}: {reason!r} is no reason"


def test_every_rule_says_what_it_means() -> None:
    for rule, meaning in RULES.items():
        assert rule == rule.lower().replace("_", "-")
        assert len(meaning.split()) >= 5, rule


# --- what a program can see


@pytest.mark.parametrize("kind", KINDS)
def test_conformance_is_done_where_there_is_a_bench(kind: str) -> None:
    assert is_done(kind, "conformance") == (kind in BENCHES)
    assert is_done(kind, "conformance"), "no driver of ours goes without"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", list(ABILITIES))
def test_what_a_bench_cannot_show_is_not_done(kind: str, rule: str) -> None:
    assert is_done(kind, rule) == (ABILITIES[rule] in BENCHES[kind].abilities)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", list(CAPABILITIES))
def test_a_capability_is_done_where_there_is_its_method(kind: str, rule: str) -> None:
    method, _ = CAPABILITY_PROTOCOLS[CAPABILITIES[rule]]
    assert is_done(kind, rule) == any(method in methods_of(path) for path in modules_of(kind) if path.stem in {"printer", kind})


def methods_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {item.name for node in classes for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_key_of_a_url_is_an_error_in_both_languages(kind: str) -> None:
    assert is_done(kind, "one-url")
    with pytest.raises(AddressError) as raised:
        open_driver(WRONG_URLS[kind], lambda _event: None)
    assert raised.value.detail != raised.value.detail_fr
    assert raised.value.next_step != raised.value.next_step_fr
    assert urlsplit(WRONG_URLS[kind]).scheme in BUILT_IN


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_speaks_one_language_only(kind: str) -> None:
    assert is_done(kind, "bilingual-errors")
    found = [f"{path.relative_to(ROOT)}:{line}" for path in modules_of(kind) for line in one_language(path)]
    assert found == []


def one_language(path: Path) -> Iterator[int]:
    """The lines on which an error is made of plain text: written there, or a constant of the module."""
    tree = ast.parse(path.read_text("utf-8"))
    plain = {name for node in tree.body for name in _plain_constants(node)}
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        if not (isinstance(call.func, ast.Name) and call.func.id in ERRORS):
            continue
        said = [*call.args[:1], *(word.value for word in call.keywords if word.arg in {"detail", "next_step"})]
        if any(_is_text(one) or (isinstance(one, ast.Name) and one.id in plain) for one in said):
            yield call.lineno


def _is_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _plain_constants(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_text(node.value):
        yield node.target.id
    elif isinstance(node, ast.Assign) and _is_text(node.value):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_the_check_of_languages_sees_what_it_looks_for(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "STEP: Final = 'Look.'\n"
        "BOTH = Bilingual('a', 'b')\n"
        "raise PrinterBusyError('It prints.', next_step=BOTH)\n"
        "raise PrinterBusyError(BOTH, next_step=f'{x}')\n"
        "raise TransferError(BOTH, next_step=STEP)\n"
        "raise TransferError(BOTH, next_step=BOTH)\n"
        "raise ValueError('of no person')\n"
    )
    assert list(one_language(module)) == [3, 4, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_that_are_not_shown_are_looked_for(kind: str) -> None:
    assert is_done(kind, "no-secrets") == bool(BENCHES[kind].secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_faults_are_data_and_are_listed(kind: str) -> None:
    assert is_done(kind, "fault-records") == ((ROOT / "drivers" / kind / "faults.py").is_file() and kind != "virtual")
    document = ROOT / "docs" / "drivers" / f"{kind}.md"
    assert is_done(kind, "faults-listed") == document.is_file()
    if kind == "marlin" and document.is_file():
        text = document.read_text("utf-8")
        assert [rule.code for rule in MARLIN_FAULTS if f"`{rule.code}`" not in text] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_module_has_its_tests(kind: str) -> None:
    if not is_done(kind, "unit-tests"):
        return  # its reason says where they are tried instead
    package = ROOT / "drivers" / kind
    tests = ROOT / "tests" / "unit" / "drivers"
    if not package.is_dir():
        assert (tests / f"test_{kind}.py").is_file()
        return
    named = [path.stem for path in modules_of(kind) if not path.stem.startswith("__") and _does_something(path)]
    assert [name for name in named if not (tests / kind / f"test_{name}.py").is_file()] == []


def _does_something(path: Path) -> bool:
    """A module of data alone is tried by whoever uses it."""
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(ast.parse(path.read_text("utf-8"))))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tried_against_the_real_thing_and_measured_has_its_files(kind: str) -> None:
    if is_done(kind, "real-machine"):
        integration = [path.read_text("utf-8") for path in (ROOT / "tests" / "integration").glob("test_*.py")]
        assert any("mark.real" in text and kind in text for text in integration)
    if is_done(kind, "measured"):
        benches = [path.read_text("utf-8") for path in (ROOT / "tests" / "bench").glob("*.py")]
        assert any(f"drivers.{kind}" in text for text in benches)
