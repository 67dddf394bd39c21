import subprocess
import sys

import pytest

import debate_caster


def test_everything_public_can_be_had_and_is_listed_once() -> None:
    assert len(debate_caster.__all__) == len(set(debate_caster.__all__))
    for name in debate_caster.__all__:
        assert getattr(debate_caster, name) is not None
    assert set(debate_caster.__all__) <= set(dir(debate_caster))


def test_a_stranger_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'debate_caster' has no attribute 'motions'"):
        debate_caster.motions  # noqa: B018 - looking is the test


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import debate_caster, sys; print([n for n in sys.modules if n.startswith('debate_caster.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['debate_caster.version']"


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_command_lines_first_answers_import_nothing_heavy(option: str) -> None:
    code = (
        "import sys\nfrom debate_caster.cli.command_line import main\n"
        f"main(['{option}'])\n"
        "print({'pydantic', 'aiohttp', 'websockets', 'openai', 'yaml', 'structlog', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "set()"


def test_a_stage_that_asks_for_no_tokens_does_not_load_what_reads_them() -> None:
    code = "import debate_caster.cli.staging, debate_caster.stage.server, sys; print('jwt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
