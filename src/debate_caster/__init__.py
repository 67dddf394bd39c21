"""Perform multi-agent debates, live.

The library's front door: ``load_scenario``, then ``run_show``, with an ``EventLog`` and, for an audience, a stage from
``open_stage``. Names are imported when first used, so that importing the package costs nothing.
"""

from importlib import import_module

from debate_caster.version import __version__

TYPE_CHECKING = False  # type checkers take the name for true; importing typing would make the program start later

if TYPE_CHECKING:
    from debate_caster.broadcast import Credentials, DeliveryReport, Target
    from debate_caster.clock import Clock, ManualClock, SystemClock, VirtualClock, run_virtual
    from debate_caster.errors import (
        BroadcastError,
        BudgetExhaustedError,
        DebateCasterError,
        FencedError,
        ForgottenError,
        LogError,
        ModelError,
        Problem,
        ProtocolError,
        ScenarioError,
        SetupError,
        WatchError,
    )
    from debate_caster.llm import LLM, Message, Request
    from debate_caster.llm.rehearsal import RehearsalLLM
    from debate_caster.llm.workshop import open_llm
    from debate_caster.log import EventLog, MemoryEventLog, SqliteEventLog
    from debate_caster.runner import ShowOutcome, run_show, targets_of
    from debate_caster.scenario import Rundown, Scenario, check, load_scenario, plan
    from debate_caster.show.transcript import Transcript, read_transcript
    from debate_caster.stage import Stage, open_stage
    from debate_caster.watching import EventStream, watch

__all__ = [
    "LLM",
    "BroadcastError",
    "BudgetExhaustedError",
    "Clock",
    "Credentials",
    "DebateCasterError",
    "DeliveryReport",
    "EventLog",
    "EventStream",
    "FencedError",
    "ForgottenError",
    "LogError",
    "ManualClock",
    "MemoryEventLog",
    "Message",
    "ModelError",
    "Problem",
    "ProtocolError",
    "RehearsalLLM",
    "Request",
    "Rundown",
    "Scenario",
    "ScenarioError",
    "SetupError",
    "ShowOutcome",
    "SqliteEventLog",
    "Stage",
    "SystemClock",
    "Target",
    "Transcript",
    "VirtualClock",
    "WatchError",
    "__version__",
    "check",
    "load_scenario",
    "open_llm",
    "open_stage",
    "plan",
    "read_transcript",
    "run_show",
    "run_virtual",
    "targets_of",
    "watch",
]

_HOMES = {
    "broadcast": ("Credentials", "DeliveryReport", "Target"),
    "clock": ("Clock", "ManualClock", "SystemClock", "VirtualClock", "run_virtual"),
    "errors": (
        "BroadcastError",
        "BudgetExhaustedError",
        "DebateCasterError",
        "FencedError",
        "ForgottenError",
        "LogError",
        "ModelError",
        "Problem",
        "ProtocolError",
        "ScenarioError",
        "SetupError",
        "WatchError",
    ),
    "llm": ("LLM", "Message", "Request"),
    "llm.rehearsal": ("RehearsalLLM",),
    "llm.workshop": ("open_llm",),
    "log": ("EventLog", "MemoryEventLog", "SqliteEventLog"),
    "runner": ("ShowOutcome", "run_show", "targets_of"),
    "scenario": ("Rundown", "Scenario", "check", "load_scenario", "plan"),
    "show.transcript": ("Transcript", "read_transcript"),
    "stage": ("Stage", "open_stage"),
    "watching": ("EventStream", "watch"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
