"""Makes an Adapter of any iterable of batches: a DataLoader, a Hugging Face dataset, a generator, a function of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import EllipsisType
from typing import Any

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit.batch_converter import BatchConverter, read_ignore, read_pad_ids
from feedrate.loaders.toolkit.epoch_source import EpochSource

PadId = int | Mapping[str, int | None] | EllipsisType | None
"""The id that fills padded bags, for all bags or by name. None: no id is padding. `...`: not given."""


def from_dataloader(
    make: Callable[[Split, LoaderConfig], object],
    convert: Callable[[Any], object] | None = None,
    *,
    pad_id: PadId = ...,
    ignore: Sequence[str] = (),
) -> Adapter[NoOptions]:
    """Return an Adapter for the batches that `make(split, config)` yields.

    make: returns a DataLoader or another iterable of batches, which is iterated again for each epoch, or a function of
    the epoch's index that returns one. It may also be a generator function: it is then called anew for each epoch, with a
    config whose seed is derived from (seed, epoch).
    convert: turns a batch into a dict of columns or a Batch. Default: columns are matched by name. A batch may be a dict, a
    (features, label) pair, an Arrow table or record batch, a pandas or Polars frame, or a Batch.
    pad_id: the id that fills padded bags [B, L]. Every position with this id is removed, so a real id that equals it
    would be lost. Without pad_id, a padded bag needs a column NAME__length or NAME__mask. None: no id is padding.
    ignore: columns of the batches that are left out.

    The order of an epoch is fixed by (seed, epoch): samplers of torch get a generator, and `set_epoch` is called where it
    exists. Raises FeedrateError for arguments of the wrong type. The loader raises it for batches that do not fit.
    """
    if not callable(make):
        raise FeedrateError(f"make is {make!r}, but must be a function of (split, config) that returns the batches")
    if convert is not None and not callable(convert):
        raise FeedrateError(f"convert is {convert!r}, but must be a function of a batch")
    ignored, pads = read_ignore(ignore), read_pad_ids(pad_id)

    def open_loader(split: Split, config: LoaderConfig, _options: NoOptions) -> Loader:
        converter = BatchConverter(split.schema, config.device, pads=pads, ignore=ignored)
        return IterableLoader(EpochSource(make, split, config), convert, converter)

    name = getattr(make, "__qualname__", type(make).__name__)
    return Adapter(
        open=open_loader,
        options=NoOptions,
        backend=lambda device: f"{getattr(make, '__module__', None)}.{name}, copied to {device} batch by batch",
    )


class IterableLoader:
    """Yields the converted batches of an EpochSource."""

    def __init__(self, source: EpochSource, convert: Callable[[Any], object] | None, converter: BatchConverter) -> None:
        self._source, self._convert, self._converter = source, convert, converter

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every batch of the epoch. (seed, index) fixes the order as far as the iterable can be told."""
        convert, converter = self._convert, self._converter
        for batch in self._source.epoch(index):
            yield converter(batch if convert is None else convert(batch))

    def close(self) -> None:
        """End the epoch in progress and drop the iterable."""
        self._source.close()
