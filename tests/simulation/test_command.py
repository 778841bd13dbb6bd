"""What is typed after `./farm.sh sim`."""

import pytest

from tests import sim


@pytest.mark.parametrize("only", ["nonsense", "collct"])
def test_a_mutant_that_is_not_there_is_an_error_and_no_success(only: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        sim.main(["--mutants", "--only", only])
    assert refused.value.code == 2
    assert f"There is no mutant '{only}'. Near: " in capsys.readouterr().err


def test_only_means_nothing_without_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        sim.main(["--only", "no dedupe"])
    assert refused.value.code == 2
    assert "--mutants" in capsys.readouterr().err
