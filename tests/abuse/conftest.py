from tests.stage.conftest import log, stage

__all__ = ["log", "stage"]
