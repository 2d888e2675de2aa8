"""What every phase of a trial needs: the spec, the dataset, the loader's adapter, and a way to report progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.gate.epoch import GateFailed, refuse_endless
from feedrate.bench.results.messages import Mark, Progress
from feedrate.bench.results.spec import TrialSpec, shared_fields
from feedrate.bench.timing.clock import now
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.loaders import registry
from feedrate.loaders.base import Batch, Loader, LoaderConfig
from feedrate.loaders.registry import LoaderChoice

REPORT_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class TrialContext:
    """A trial's inputs. They stay as they are from the first phase to the last."""

    spec: TrialSpec
    dataset: Dataset
    choice: LoaderChoice
    say: Progress
    mark: Callable[[Mark], None]
    """Tells the suite that a timed window begins or has ended, so that it can time the window by its own clock."""

    @classmethod
    def of(
        cls, spec: TrialSpec, dataset: Dataset, say: Progress, mark: Callable[[Mark], None] = lambda _mark: None
    ) -> TrialContext:
        """Look up the loader that the spec names. Raises FeedrateError for an unknown one, LoaderUnavailable without its library."""
        return cls(spec, dataset, registry.choose(spec.loader), say, mark)

    @property
    def on_gpu(self) -> bool:
        """Whether the trial's device is a GPU."""
        return self.spec.device != "cpu"

    def open_loader(self, split: SplitName, *, shuffle: bool) -> Loader:
        """Open the trial's loader on a split. Raises what the loader raises."""
        return self.choice.open(self.dataset.split(split), loader_config(self.spec, shuffle=shuffle))

    def reported(self, phase: str, batches: Iterator[Batch] | EpochClock, split: SplitName) -> Iterator[Batch]:
        """The same batches, reported to the suite while they come. Raises GateFailed for an epoch that does not end."""
        return reported(phase, batches, self.dataset.info.splits[split].rows, self.spec.batch_size, self.say)


def loader_config(spec: TrialSpec, *, shuffle: bool) -> LoaderConfig:
    """The configuration a loader is opened with: every field that a TrialSpec has, too."""
    return LoaderConfig(**{**shared_fields(spec, LoaderConfig), "shuffle": shuffle})


def reported(
    phase: str, batches: Iterator[Batch] | EpochClock, total: int, batch_size: int, say: Progress
) -> Iterator[Batch]:
    """Pass the batches on and send the suite a line twice a second. The suite takes silence for a hang.

    total: rows that the epoch should have. Raises GateFailed for a batch without rows and for an epoch that does not end.
    """
    done, due = 0, now() + REPORT_EVERY_S
    say(phase, 0, total)
    for batch in batches:
        rows = batch.label.shape[0]
        if not rows:
            raise GateFailed(f"{phase}: a batch without rows came after {done:,} rows")
        yield batch
        done += rows
        refuse_endless(done, total, batch_size)
        if now() > due:
            say(phase, done, total)
            due = now() + REPORT_EVERY_S
