"""What the self-test expects of one planted fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Catch = Literal["void", "failed", "flagged", "rule"]
"""How a fault is caught: the trial is void or failed, its result has a flag, or a rule of the contract is broken."""


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """A fault of the loader `planted`, and how it must be caught."""

    name: str
    catch: Catch
    pattern: str
    """Regular expression that the message must match. It names the fault."""
    gpu: bool = False
    """Whether the fault shows only on a GPU."""
    cpu: bool = False
    """Whether the fault shows only without a GPU."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the trial's spec that the fault needs to show."""
    disturbs: bool = False
    """Whether the fault could disturb the next trial, since it leaves something behind or dies."""
    own_data: bool = False
    """Whether the fault changes files of the dataset, so that its trial needs a copy."""
