import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def thousands_of_slots_without_a_word(structlog_as_it_was: None) -> None:
    del structlog_as_it_was  # it takes this back
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
