import subprocess
import sys

import pytest
from pydantic import SecretStr

from debate_caster.clock import SystemClock, VirtualClock, run_virtual
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm import Breakers, Deadlines, open_llm
from debate_caster.scenario.script import ModelScript
from tests.llm.doubles import REQUEST, take, take_until_error, visible
from tests.llm.faulty_server import SPEECH, FaultyServer, Reply
from tests.llm.test_rehearsal import SPEAKING


def test_a_rehearsal_model_follows_its_script_and_the_shows_seed() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        plain = ModelScript(name="a")
        own = ModelScript(name="b", seed=9)
        return [
            visible(await take(open_llm(script, clock=clock, seed=seed), SPEAKING))
            for script, seed in ((plain, 1), (plain, 1), (plain, 2), (own, 1), (own, 2))
        ]

    one, again, other, mine, mine_again = run_virtual(main)

    assert one == again != other
    assert mine == mine_again


def test_every_model_is_guarded() -> None:
    async def main(clock: VirtualClock) -> tuple[float, str]:
        script = ModelScript(name="a", faults=("silent",))
        _, error = await take_until_error(open_llm(script, clock=clock, deadlines=Deadlines(first_content_s=7.0)))
        return clock.monotonic(), error.kind if error else ""

    assert run_virtual(main) == (7.0, "silent")


async def test_an_openai_model_gets_address_name_key_and_options() -> None:
    async with FaultyServer() as server:
        script = ModelScript(
            name="big",
            provider="openai",
            base_url=server.base_url,
            model="llama3.2:1b",
            api_key=SecretStr("sk-canary"),
            temperature=0.2,
            extra={"min_p": 0.1},
        )
        llm = open_llm(script, clock=SystemClock(), seed=3)
        spoken = visible(await take(llm, REQUEST))
        await llm.close()
        await llm.close()

    [received] = server.requests
    assert spoken == SPEECH
    assert received.headers["authorization"] == "Bearer sk-canary"
    assert {"model": "llama3.2:1b", "temperature": 0.2, "min_p": 0.1}.items() <= received.body.items()
    assert "sk-canary" not in repr(script)


async def test_two_names_of_one_providers_model_share_its_breaker() -> None:
    clock = SystemClock()
    breakers = Breakers(clock)
    async with FaultyServer(default=Reply(fault="status", status=503)) as server:
        scripts = [ModelScript(name=name, provider="openai", base_url=server.base_url, model="big") for name in "ab"]
        one, other = (open_llm(script, clock=clock, breakers=breakers) for script in scripts)
        for _ in range(5):
            await take_until_error(one)
        _, error = await take_until_error(other)
        for llm in (one, other):
            await llm.close()

    assert isinstance(error, ModelError)
    assert error.kind == "unavailable"
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    "script",
    [
        ModelScript(name="a", faults=("explode",)),
        ModelScript(name="a", provider="openai", base_url="nowhere"),
        ModelScript(name="a", provider="openai", extra={"n": 8}),
    ],
    ids=["fault", "address", "extra"],
)
def test_what_can_not_work_is_said_before_the_show(script: ModelScript) -> None:
    with pytest.raises(SetupError, match="model 'a'"):
        open_llm(script, clock=SystemClock())


def test_importing_the_package_does_not_import_the_vendors_library() -> None:
    probe = "import sys, debate_caster.llm as llm; print(sorted({'openai', 'httpx2', 'pydantic'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=20)

    assert done.stdout.strip() == "[]"
