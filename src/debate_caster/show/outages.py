"""What a show does while every model that could speak is out: it stands still, and goes on once one answers.

How long it may, over all its outages, is the scenario's ``budget.max_outage_s``. What has gone of it is in the show's
log, so that a show that goes on after a break has no more.
"""

from contextlib import suppress

from debate_caster.clock import Clock
from debate_caster.scenario.script import Budget
from debate_caster.show.control_desk import ControlDesk
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.speech import LiveSpeech

__all__ = ["Outages"]


class Outages:
    """One show's. ``clock`` is the models', in real seconds."""

    def __init__(self, budget: Budget, writer: ShowLogWriter, control: ControlDesk, *, clock: Clock) -> None:
        self._limit_s = budget.max_outage_s
        self._writer, self._control, self._clock = writer, control, clock
        self.lasted_too_long = False
        """Set once the show has waited for as long as it may."""

    async def sit_out(self, speech: LiveSpeech) -> bool:
        """Pause the show while the models of its next speech are out; return False where they are out for too long.

        Returns at once while the producer's own pause holds the show.

        Raises:
            LogError: The pause could not be logged.
        """
        left_s = self._limit_s - self._writer.transcript.outage_s
        if left_s > 0:
            if not await self._control.hold_for_models():
                return True
            with suppress(TimeoutError):
                async with self._clock.timeout(left_s):
                    await speech.back()
            await self._control.go_on()
        self.lasted_too_long = speech.out
        return not speech.out
