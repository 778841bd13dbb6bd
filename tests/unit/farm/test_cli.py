"""What a person sees of an error."""

import pytest

from farm import cli
from farm.errors import ConfigurationError


def test_an_error_is_one_line_with_the_command_that_this_person_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*, prog_name: str) -> None:
        assert prog_name == "./farm.sh"
        raise ConfigurationError("No daemon.", next_step="Start it with `farm serve`.")

    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setenv("FARM_COMMAND", "./farm.sh")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "farm: No daemon. Start it with `./farm.sh serve`.\n"
