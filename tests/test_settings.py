import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from debate_caster.errors import SetupError
from debate_caster.settings import Settings, default_data_dir, environment, misspelt_names, read_settings


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def test_the_environment_goes_before_the_file_and_both_before_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DEBATE_CASTER_PORT=9001\nDEBATE_CASTER_HOST=127.0.0.2\nDEBATE_CASTER_STAGE=\n")
    monkeypatch.setenv("DEBATE_CASTER_PORT", "9002")

    settings = read_settings()

    assert (settings.port, settings.host, settings.stage) == (9002, "127.0.0.2", "embedded")
    assert {"port", "host"} <= settings.model_fields_set
    assert "stage" not in settings.model_fields_set


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBATE_CASTER_STAGE_TOKEN", "very-secret")

    settings = read_settings()

    assert settings.stage_token == SecretStr("very-secret")
    assert "very-secret" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "seventy"), ("PORT", "70000"), ("LOG_LEVEL", "loud"), ("COLOR", "pink"), ("ALLOW_PUBLIC", "perhaps")],
)
def test_a_bad_value_is_named_but_not_repeated(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DEBATE_CASTER_{name}", value)

    with pytest.raises(SetupError, match=f"DEBATE_CASTER_{name}: ") as caught:
        read_settings()

    assert value not in str(caught.value)


def test_a_file_that_is_no_text_is_a_set_up_error() -> None:
    Path(".env").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SetupError, match=r"\.env"):
        read_settings()
    with pytest.raises(SetupError, match=r"\.env"):
        environment()


def test_settings_are_frozen() -> None:
    settings = Settings()

    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, "port", 1)  # noqa: B010 - spelt out, mypy would not let it pass


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `DEBATE_CASTER_(\w+)` \| ?(.*?) ?\|", page, re.MULTILINE))
    fields = {name.upper(): field for name, field in Settings.model_fields.items() if name != "no_color"}

    assert set(rows) == set(fields)
    for name, field in fields.items():
        if field.default_factory is None and field.default is not None:
            said = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            assert rows[name].strip("`") == said, name


def test_a_scenarios_variables_come_from_the_file_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("SOME_KEY='from the file'\nOTHER_KEY=${SOME_KEY}\nEMPTY\n")
    monkeypatch.setenv("THIRD_KEY", "from outside")

    found = environment()

    assert (found["SOME_KEY"], found["THIRD_KEY"], "EMPTY" in found) == ("from the file", "from outside", False)
    assert found["OTHER_KEY"] == "${SOME_KEY}"


def test_a_misspelt_setting_is_noticed_and_anything_else_left_alone() -> None:
    names = {"DEBATE_CASTER_PROT": "1", "DEBATE_CASTER_PORT": "1", "DEBATE_CASTER_UNRELATED_THING": "1", "PORT": "1"}

    assert misspelt_names(names) == {"DEBATE_CASTER_PROT": "DEBATE_CASTER_PORT"}


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, "/home/a/.local/share/debate-caster"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/debate-caster"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "/home/a/.local/share/debate-caster"),
        ("darwin", {}, "/home/a/Library/Application Support/debate-caster"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/debate-caster"),
    ],
)
def test_data_goes_where_the_machine_keeps_it(platform: str, environ: dict[str, str], folder: str) -> None:
    assert default_data_dir(platform=platform, environ=environ, home=Path("/home/a")) == Path(folder)
