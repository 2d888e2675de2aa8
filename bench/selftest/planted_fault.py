"""What the self-test expects of one planted fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    own_data: bool = False
    """Whether the fault changes files of the dataset, so that its trial needs a copy."""
