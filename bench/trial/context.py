"""What every phase of a trial needs: the spec, the dataset, the loader's adapter, and a way to report progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.gate.batch_watch import BatchWatch
from feedrate.bench.gate.epoch import GateFailed, most_rows, refuse_endless
from feedrate.bench.host.device import make_current
from feedrate.bench.host.ranks.group import ALONE, Group, shard_rows
from feedrate.bench.results.messages import Mark, Progress
from feedrate.bench.results.spec import TrialSpec, shared_fields
from feedrate.bench.timing.clock import now
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.trial.guard import Guard
from feedrate.bench.trial.own_formats import OwnFormats, prepare
from feedrate.loaders import registry
from feedrate.loaders.base import Batch, Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.registry import LoaderChoice
from feedrate.loaders.stores.store_path import StorePath

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

    guard: Guard
    """What there was before the loader's module was imported."""
    import_flags: tuple[str, ...] = ()
    """Settings that the loader's module changed when it was imported."""
    formats: OwnFormats | None = None
    """The dataset in the library's own format; None if the loader reads Parquet."""
    group: Group = ALONE
    """The processes that run the trial together. The spec's device is this one's."""

    @classmethod
    def of(
        cls,
        spec: TrialSpec,
        dataset: Dataset,
        say: Progress,
        mark: Callable[[Mark], None] = lambda _mark: None,
        group: Group = ALONE,
    ) -> TrialContext:
        """Look up the loader that the spec names, and prepare its own format unless it is there.

        Raises FeedrateError for an unknown loader, LoaderUnavailable without its library, and what the preparation raises.
        Raises GateFailed if the loader's module replaces what measures it.
        """
        make_current(spec.device)
        guard = Guard()
        choice = registry.choose(spec.loader)
        guard.require_untouched()
        if isinstance(dataset.folder, StorePath) and not choice.adapter.reads_stores:
            raise FeedrateError(
                f"{spec.loader} cannot read from an object store: copy {dataset.folder} to a local folder"
            )
        flags = tuple(guard.changed())
        formats = prepare(choice, dataset, loader_config(spec, shuffle=spec.shuffle), say)
        return cls(spec, dataset, choice, say, mark, guard, flags, formats, group)

    @property
    def on_gpu(self) -> bool:
        """Whether the trial's device is a GPU."""
        return self.spec.device != "cpu"

    @property
    def train_files(self) -> tuple[Path, ...]:
        """The files that the loader reads for the train split."""
        return self.dataset.split("train").files if self.formats is None else self.formats.train_files

    def open_loader(self, split: SplitName, *, shuffle: bool) -> Loader:
        """Open the trial's loader on this rank's shard of a split. Raises what the loader raises."""
        config = replace(loader_config(self.spec, shuffle=shuffle), rank=self.group.rank, world_size=self.group.size)
        return self.choice.open(self.dataset.split(split), config)

    def rows_of(self, split: SplitName) -> int:
        """Return the rows of this rank's shard of a split."""
        return shard_rows(self.group, self.dataset.info.splits[split].rows)

    def most_batches(self, split: SplitName) -> int:
        """Return the batches of a split on the rank that has most of them."""
        rows = self.dataset.info.splits[split].rows
        most = max(LoaderConfig(rank=rank, world_size=self.group.size).rows_of(rows) for rank in range(self.group.size))
        return -(-most // self.spec.batch_size)

    @property
    def replays(self) -> bool:
        """Whether the loader is the built-in one that replays batches: others may not leave out the gate."""
        return self.choice.replays

    def reported(
        self,
        phase: str,
        batches: Iterator[Batch] | EpochClock,
        split: SplitName,
        watch: BatchWatch | None = None,
    ) -> Iterator[Batch]:
        """The same batches, reported to the suite while they come. Raises GateFailed for an epoch that does not end."""
        return reported(phase, batches, self.rows_of(split), self.spec.batch_size, self.say, watch)


def loader_config(spec: TrialSpec, *, shuffle: bool) -> LoaderConfig:
    """The configuration a loader is opened with: every field that a TrialSpec has, too."""
    return LoaderConfig(**{**shared_fields(spec, LoaderConfig), "shuffle": shuffle})


def reported(
    phase: str,
    batches: Iterator[Batch] | EpochClock,
    total: int,
    batch_size: int,
    say: Progress,
    watch: BatchWatch | None = None,
) -> Iterator[Batch]:
    """Pass the batches on and send the suite a line twice a second. The suite takes silence for a hang.

    total: rows that the epoch should have. watch: sees the batches that it wants to copy, and the sizes of all.
    Raises GateFailed for a batch without rows and for an epoch that does not end.
    """
    done, number, clock, odd = 0, 0, now, None
    limit, due = most_rows(total, batch_size), clock() + REPORT_EVERY_S
    say(phase, 0, total)
    for batch in batches:
        rows = batch.label.numel()
        if rows != batch_size and odd is None:
            if not rows:
                raise GateFailed(f"{phase}: a batch without rows came after {done:,} rows")
            odd = number, rows
        if watch is not None and number == watch.next:
            watch.take(batch)
        yield batch
        number += 1
        done += rows
        if done > limit:
            refuse_endless(done, total, batch_size)
        if clock() > due:
            say(phase, done, total)
            due = clock() + REPORT_EVERY_S
    if watch is not None:
        watch.odd, watch.delivered = odd, number
