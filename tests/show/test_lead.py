import pytest

from debate_caster.scenario.script import Pacing
from debate_caster.show.lead import LeadTimes


def test_a_model_not_heard_yet_gets_the_longest_lead() -> None:
    assert LeadTimes(Pacing(lead_max_s=4.0)).lead_s("m") == 4.0


def test_the_lead_is_a_little_over_the_95th_percentile() -> None:
    leads = LeadTimes(Pacing())
    for hundredth in range(100):
        leads.note("m", 1.0 + hundredth / 100)

    assert leads.lead_s("m") == pytest.approx(1.97 * 1.1 + 0.1, abs=0.05)


@pytest.mark.parametrize(("seen", "lead"), [(0.01, 0.5), (60.0, 4.0)])
def test_the_lead_stays_within_the_scenario_s_bounds(seen: float, lead: float) -> None:
    leads = LeadTimes(Pacing(lead_min_s=0.5, lead_max_s=4.0))
    leads.note("m", seen)

    assert leads.lead_s("m") == lead


def test_each_model_has_its_own_lead_and_forgets_its_bad_days() -> None:
    leads = LeadTimes(Pacing())
    leads.note("slow", 3.0)
    leads.note("quick", 3.0)
    for _ in range(50):
        leads.note("quick", 0.6)

    assert leads.lead_s("quick") < 1.0 < leads.lead_s("slow")
