"""What differs from one machine to the next: ``DEBATE_CASTER_*`` variables or a ``.env`` file, and every default.

Read by the command line only, which passes plain arguments down.
"""

import difflib
import os
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from debate_caster.errors import SetupError

__all__ = ["PREFIX", "Settings", "environment", "misspelt_names", "read_settings"]

PREFIX = "DEBATE_CASTER_"
ENV_FILE = ".env"


def default_data_dir(
    *, platform: str = sys.platform, environ: Mapping[str, str] = os.environ, home: Path | None = None
) -> Path:
    """Return where this kind of machine keeps a user's data."""
    home = Path.home() if home is None else home
    if platform == "darwin":
        return home / "Library" / "Application Support" / "debate-caster"
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "debate-caster"
    kept = environ.get("XDG_DATA_HOME", "")
    return (Path(kept) if Path(kept).is_absolute() else home / ".local" / "share") / "debate-caster"


class Settings(BaseSettings):
    """One knob a field; an option of the command line goes before the environment, and that before ``.env``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="Address that the stage listens on.")
    port: int = Field(default=8765, ge=0, le=65535, description="Port of the stage; 0 takes any free one.")
    allow_public: bool = Field(default=False, description="Let the stage listen on an address that others can reach.")
    allow_hosts: str = Field(
        default="",
        description="Names by which the stage is reached, apart by spaces, besides this machine's own and that of "
        "the public URL: debates.example debates.lan",
    )
    open_stage: bool | None = Field(
        default=None, description="Let agents in without a token; unset: where only this machine reaches the stage."
    )
    tickets: bool = Field(
        default=False, description="Let viewers in with a ticket only, made by `token create --role viewer`."
    )
    ticket: SecretStr | None = Field(default=None, description="Ticket with which `watch` is let in on such a stage.")
    key_file: Path | None = Field(
        default=None, description="File of the keys that tokens are signed with; unset: made in the data folder."
    )
    frame_origins: str = Field(
        default="", description="Origins whose pages may show ours in a frame, apart by spaces: https://example.org"
    )
    public_url: str = Field(
        default="",
        description="Address of the stage for the world, where a proxy stands before it: https://debates.example",
    )
    viewers_per_address: int = Field(
        default=2000, ge=1, description="Viewers from one address; behind a proxy that is all of them."
    )
    agents_per_address: int = Field(
        default=500, ge=1, description="Agents' connections from one address; behind a proxy that is all of them."
    )
    stage: str = Field(
        default="embedded",
        min_length=1,
        description="Where a show is broadcast to: `embedded`, `none`, or a wss:// address (ws:// in own networks).",
    )
    stage_token: SecretStr | None = Field(default=None, description="Token for the stage at that address.")
    producer_token: SecretStr | None = Field(
        default=None,
        description="Token by which a show is directed, at least 22 characters; unset: a new one for each show.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Token for `/metrics`, at least 22 characters; unset: anybody reads it, on a stage for others "
        "without money, tokens and calendar.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of the logs and of the agents' secrets."
    )
    shortest_period_s: int = Field(
        default=300, ge=60, le=86_400, description="Least time between two slots of a schedule, in seconds."
    )
    shows_at_once: int | None = Field(
        default=None, ge=1, description="Scheduled shows on the air at once; a slot beyond is skipped. Unset: no limit."
    )
    keep_shows: int | None = Field(
        default=None, ge=1, description="So many of the newest shows are kept, older ones removed. Unset: all."
    )
    keep_days: int | None = Field(
        default=None, ge=1, description="Shows are removed so many days after they were over. Unset: never."
    )
    money_per_day: Decimal | None = Field(
        default=None,
        ge=0,
        lt=10**9,
        description="What all shows may cost in a day, in the currency of the models' prices. Unset: no limit.",
    )
    money_per_month: Decimal | None = Field(
        default=None, ge=0, lt=10**9, description="The same for a calendar month. Unset: no limit."
    )
    timezone: str | None = Field(
        default=None, description="IANA time zone of those days and months; unset: the machine's own."
    )
    stop_grace_s: int = Field(
        default=60,
        ge=0,
        le=86_400,
        description="How long a stopped `serve` waits for the shows that are on before it ends them, in seconds.",
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        default=None,
        description="Least level logged; unset: `info` while a stage or a show runs without the live view.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="Form of the log on stderr; `auto`: `console` on a terminal, otherwise `json`."
    )
    color: Literal["auto", "always", "never"] = Field(
        default="auto", description="Colours in the terminal; `auto`: on a terminal, unless NO_COLOR is set."
    )
    no_color: str = Field(
        default="",
        validation_alias=AliasChoices("NO_COLOR"),
        description="Any value: no colours, see https://no-color.org.",
    )

    @field_validator("producer_token", "metrics_token")
    @classmethod
    def _hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(r"[!-~]{22,200}", token.get_secret_value()):
            raise ValueError("such a token has 22 to 200 printable ASCII characters and no space")
        return token


def read_settings() -> Settings:
    """Read the settings.

    Raises:
        SetupError: A value does not fit, or ``.env`` can't be read. Names the variable, never its value.
    """
    try:
        return Settings()
    except ValidationError as exc:
        problems = "; ".join(f"{_variable(error['loc'])}: {error['msg']}" for error in exc.errors(include_input=False))
        raise SetupError(f"bad settings: {problems}", f"Look at the environment and at {ENV_FILE}.") from None
    except (SettingsError, OSError, UnicodeDecodeError) as exc:
        raise SetupError(f"the settings can't be read: {exc}", f"Look at {ENV_FILE}.") from exc


def _variable(place: tuple[int | str, ...]) -> str:
    name = str(place[0]) if place else ""
    return name.upper() if name.upper() == "NO_COLOR" else f"{PREFIX}{name.removeprefix(PREFIX.lower()).upper()}"


def environment() -> dict[str, str]:
    """Return what a scenario's ``${NAME}`` may name: the environment, and below it ``.env``.

    Raises:
        SetupError: ``.env`` can't be read.
    """
    try:
        filed = dotenv_values(ENV_FILE, interpolate=False) if Path(ENV_FILE).is_file() else {}
    except (OSError, UnicodeDecodeError) as exc:
        raise SetupError(f"{ENV_FILE} can't be read: {exc}", "It is to be UTF-8 text.") from exc
    return {name: value for name, value in filed.items() if value is not None} | dict(os.environ)


def misspelt_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like a setting but are none, each with the one that was probably meant."""
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields if field != "no_color"}
    found = {}
    for name in names:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.85)
            found.update({name: near[0]} if near else {})
    return found
