"""Writes docs/gcode-rules.md from the table of rules and the examples of the tests: `python -m tests.gcode_rules_page --write`."""

import sys
from pathlib import Path
from typing import Final

from gcode.judges.flavours import ALL_FLAVOURS
from gcode.rules import RULE_SET_VERSION, RULES, AnyRule, LineRule, Severity, Treatment, is_known, treatment
from gcode.rules.kinds import CourseRule
from tests.unit.gcode.marlin_commands import MARLIN_COMMANDS
from tests.unit.gcode.rules.examples import EXAMPLES

PAGE: Final = Path(__file__).parent.parent / "docs" / "gcode-rules.md"
_WORDS: Final = {
    Severity.REJECT: ("reject: the file is not printed on this kind of printer", "refusé : le fichier n'est pas imprimé"),
    Severity.TRUST: ("trust: printed once a named person has released it", "confiance : imprimé dès qu'une personne l'a validé"),
    Severity.WARN: ("warn: printed, and said", "avertissement : imprimé, et signalé"),
}
_HEAD: Final = f"""# What the farm checks in a G-code file

Made from the table `gcode/rules/__init__.py` (rule set {RULE_SET_VERSION}) and the examples of its tests:
`python -m tests.gcode_rules_page --write`. Every file is judged for a class of printers (a profile of `configs/printers/`), by the
daemon when it is uploaded and by the node once more before it is printed, there against its owner's `limits.toml` too.

- **reject**: the file is not printed on this kind of printer.
- **trust**: it is printed once a named person has released it, on nodes whose owner accepts that.
- **warn**: it is printed, and the warning is shown.

A profile may answer for commands of a rule that asks for trust: `[allowed] lines` letter for letter, `codes` for a command with any
parameters, `macros` by name. Nothing that is rejected becomes good by it.
"""


_ABOUT: Final = (
    "What the rules make of it where the flavour is `marlin` and the profile allows nothing more; a star: on no list, so it needs "
    "trust."
)


def _commands(row: AnyRule) -> str:
    if not isinstance(row, LineRule | CourseRule) or row.commands is None:
        return ""
    common = frozenset.intersection(*row.commands.values())
    parts = [_listed(common)] if common else []
    own = {flavour: row.commands[flavour] - common for flavour in ALL_FLAVOURS}
    parts += [f"{flavour}: {_listed(more)}" for flavour, more in own.items() if more]
    return f"\n\nCommands: {'; '.join(parts)}."


def _listed(codes: frozenset[str]) -> str:
    return ", ".join(f"`{code}`" for code in sorted(codes, key=_place))


def _place(code: str) -> tuple[str, float]:
    digits = code[1:]
    return (code[:1], float(digits)) if digits.replace(".", "", 1).isdigit() else (code, 0.0)


def _section(row: AnyRule) -> str:
    rule, example = row.rule, EXAMPLES[row.rule.id]
    shown = (example.shown or example.broken).strip()
    return (
        f'<a id="{rule.id}"></a>\n### `{rule.id}`\n\n**{rule.severity.value}** - {rule.explanation_en} *{rule.fix_en}*\n\n'
        f"> {rule.explanation_fr} *{rule.fix_fr}*{_commands(row)}\n\nBreaks it:\n\n```gcode\n{shown}\n```\n"
    )


def _treatments() -> str:
    words = {
        Treatment.ALLOWED: "allowed",
        Treatment.BOUNDED: "by its parameters",
        Treatment.TRUST: "trust",
        Treatment.REJECT: "reject",
    }
    groups: dict[str, list[str]] = {word: [] for word in words.values()}
    for code in MARLIN_COMMANDS:
        word = words[treatment("marlin", code)]
        groups[word].append(f"`{code}`" if is_known("marlin", code) else f"`{code}`\\*")
    rows = [f"| {word} | {' '.join(codes)} |" for word, codes in groups.items()]
    return "\n".join(["| what becomes of it | commands |", "|---|---|", *rows])


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for severity in Severity:
        english, french = _WORDS[severity]
        parts.append(f"## {english[0].upper()}{english[1:]}\n\n*{french[0].upper()}{french[1:]}*\n")
        parts += [_section(row) for row in RULES if row.rule.severity is severity]
    parts.append(f"## Every command of Marlin\n\n{_ABOUT}\n\n{_treatments()}\n")
    return "\n".join(parts)


def main() -> None:
    """Print the page, or write it."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), "utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
