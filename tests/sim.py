"""`./farm.sh sim`: the simulated farm (tests/simulation). Ends with one line of figures; exit code 1 when anything was violated."""

import argparse
import json
import sys
from difflib import get_close_matches

from tests.simulation import campaign, mutants


def main(arguments: list[str]) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="./farm.sh sim", description="Simulate whole farms, deterministically by seed.")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds (default %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default %(default)s)")
    parser.add_argument("--stop-after", type=int, default=3, help="violations after which to stop (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="the last line as JSON")
    parser.add_argument("--mutants", action="store_true", help="break one rule at a time, and see that each is caught")
    parser.add_argument("--only", default="", help="with --mutants: the one with this name")
    chosen = parser.parse_args(arguments)
    if chosen.only and not chosen.mutants:
        parser.error("--only goes with --mutants.")
    if chosen.only and chosen.only not in (names := [mutant.name for mutant in mutants.ALL]):
        near = get_close_matches(chosen.only, names, cutoff=0.3) or names
        parser.error(f"There is no mutant {chosen.only!r}. Near: {', '.join(near)}.")
    campaign.deterministic()
    campaign.quiet()
    if chosen.mutants:
        return hunt(chosen.only, as_json=chosen.json)
    summary = campaign.run(chosen.start, chosen.seeds, stop_after=chosen.stop_after)
    print(campaign.report(summary, as_json=chosen.json))
    return 1 if summary.failures else 0


def hunt(only: str, *, as_json: bool) -> int:
    """Run the mutants; say at which seed each is caught."""
    found = []
    for mutant in (mutant for mutant in mutants.ALL if only in {"", mutant.name}):
        found.append(caught := campaign.hunt(mutant))
        where = "NOT CAUGHT" if caught.seed is None else f"seed {caught.seed}: {caught.problem.splitlines()[0][:150]}"
        print(f"{mutant.name:45} {where}", flush=True)
    figures = {"mutants": len(found), "caught": sum(one.seed is not None for one in found)}
    print(json.dumps(figures) if as_json else f"{figures['caught']} of {figures['mutants']} mutants caught")
    return 0 if figures["caught"] == figures["mutants"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
