"""docs/profile.schema.json is the schema of profile.json."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import msgspec
import pytest

from feedrate.bench.results import compressed
from feedrate.bench.results.profiles.record import Profile

ROOT = Path(__file__).parents[4]
SCHEMA = ROOT / "docs" / "profile.schema.json"
PUBLISHED = sorted((ROOT / "reports" / "published").rglob("profile.json.gz"))


def test_the_published_schema_is_that_of_the_types() -> None:
    """FEEDRATE_SNAPSHOTS=write accepts what the types are now."""
    schema = json.loads(json.dumps(msgspec.json.schema(Profile)))
    if os.environ.get("FEEDRATE_SNAPSHOTS") == "write":
        SCHEMA.write_text(json.dumps(schema, indent=1) + "\n")
    assert json.loads(SCHEMA.read_text()) == schema


@pytest.mark.parametrize("path", PUBLISHED[:2], ids=lambda path: path.parent.name)
def test_a_published_profile_is_valid(path: Path) -> None:
    jsonschema.validate(json.loads(compressed.read_bytes(path)), json.loads(SCHEMA.read_text()))
