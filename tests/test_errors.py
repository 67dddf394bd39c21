from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ScenarioError([Problem(Path("a.yaml"), 3, 5, "motoin", "unknown key"), Problem(Path("b"), 0, 0, "", "no")]),
            "a.yaml:3:5: motoin: unknown key\nb: no",
        ),
        (
            SetupError("port 80 is taken", "Choose another with --port."),
            "port 80 is taken. Choose another with --port.",
        ),
        (SetupError("no disk"), "no disk"),
        (ModelError("gpt", "cut", "after 3 words", retryable=False), "model 'gpt': cut: after 3 words"),
        (BroadcastError("pulsar", "refused"), "target pulsar: refused"),
        (ProtocolError("pulsar", "not JSON"), "target pulsar: not JSON"),
        (WatchError("ws://h/watch", "there is no such show"), "stage ws://h/watch: there is no such show"),
        (BudgetExhaustedError("money", "1.00 of 1.00"), "budget for money reached: 1.00 of 1.00"),
        (LogError("show/x", "disk full"), "log stream 'show/x': disk full"),
        (FencedError("show/x", "ends at 3"), "log stream 'show/x': ends at 3"),
        (ForgottenError("show/x"), "log stream 'show/x': it has been removed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_says_what_and_where_in_one_breath(error: DebateCasterError, words: str) -> None:
    assert str(error) == words
