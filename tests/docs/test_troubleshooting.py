"""The remedies of the troubleshooting page are settings that exist; each command that writes has a row of its own."""

import re

import pytest

from forecasting.cli.main import COMMANDS as FORECAST
from genomics.cli.main import COMMANDS as DNA
from language.cli.main import COMMANDS as LM
from language.runs.config import Settings
from language.training.config import PretrainConfig
from tests.conftest import REPOSITORY
from titans_seq.experiment.overrides import override, parse_changes
from titans_seq.models import language_model

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
FILES = (REPOSITORY / "docs" / "files.md").read_text(encoding="utf-8")
# The first of two spellings is in quotes, for its spaces.
SETTINGS = re.findall(r'--set\s+"(model\.[^"]*)"|--set\s+(model\.[^\s`]*)', PAGE)


def test_there_are_settings_to_try() -> None:
    assert len(SETTINGS) > 5


@pytest.mark.parametrize("setting", [quoted or plain for quoted, plain in SETTINGS])
def test_a_setting_exists_and_its_value_fits(setting: str) -> None:
    # Of MAC: its memory is deep, so that all of them mean something.
    before = Settings(language_model("mac-170m", vocabulary=256), PretrainConfig())
    after = override(before, parse_changes([setting]))
    assert after.training == before.training


@pytest.mark.parametrize(
    "command",
    [f"titans {group} {verb}" for group, verbs in (("forecast", FORECAST), ("dna", DNA), ("lm", LM)) for verb in verbs],
)
def test_every_command_says_what_it_writes(command: str) -> None:
    assert f"`{command}`" in FILES
