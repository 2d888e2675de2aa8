"""What a loader asked of the object store that its dataset is in, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from feedrate.bench.results.record import TrialResult
from feedrate.reports import units


def object_store(trials: Iterable[TrialResult]) -> str:
    """Return the sentence, or an empty one if it asked for nothing. It is about the steady epochs."""
    epochs = [epoch for trial in trials for epoch in trial.steady if epoch.network]
    asked = [epoch.network for epoch in epochs if epoch.network]
    if not any(network.requests for network in asked):
        return ""
    requests = fmean(network.requests for network in asked)
    size = units.format_size(fmean(network.bytes for network in asked))
    retries = sum(network.retries for network in asked)
    again = f", of which {retries:,} in all were sent again" if retries else ""
    waited = sum(network.wait_s for network in asked) / (sum(epoch.wall_s for epoch in epochs) or 1.0)
    return (
        f"it asked the object store for {size} in {requests:,.0f} requests an epoch{again}, and waited for answers "
        f"{units.format_percent(waited)} of the time"
    )
