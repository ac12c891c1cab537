"""Where things lie beside the tests."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
REAL_DATA = REPOSITORY.parent / "shared/data"
RELEASE_0_1 = REPOSITORY / "tests/fixtures/release_0_1"
