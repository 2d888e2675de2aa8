"""What authors of adapters share: reading a split, the order of an epoch, and batches on a device.

from feedrate.loaders.toolkit import EpochSampler, batch_to, read_columns
"""

from feedrate.loaders.parquet.columns import (
    Columns,
    batch_to,
    columns_of_table,
    epoch_order,
    read_columns,
    take_positions,
)
from feedrate.loaders.parquet.stored import open_parquet
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder
from feedrate.loaders.toolkit.batches.arrow_batches import batch_of_arrow
from feedrate.loaders.toolkit.batches.fetched_batches import FetchedBatches, PositionBatches
from feedrate.loaders.toolkit.batches.rebatch import rebatch
from feedrate.loaders.toolkit.batches.views import batch_views
from feedrate.loaders.toolkit.libraries import import_library
from feedrate.loaders.toolkit.order.seeds import seed_of
from feedrate.loaders.toolkit.order.shares import (
    Piece,
    bounds_of_rank,
    bounds_of_worker,
    pieces_between,
    pieces_of_rank,
    windows_of,
)
from feedrate.loaders.toolkit.order.shuffled_pieces import shuffled_pieces
from feedrate.loaders.toolkit.order.window_shuffle import window_shuffle
from feedrate.loaders.toolkit.preparation import Preparation, local_files, preparation_of, prepared_folder
from feedrate.loaders.toolkit.read_ahead import read_ahead
from feedrate.loaders.toolkit.row_blocks import Block, names_of_arrays, row_blocks, shuffled_blocks
from feedrate.loaders.toolkit.torch_workers import EpochSampler, worker_settings

__all__ = [
    "Block",
    "Columns",
    "EpochSampler",
    "FetchedBatches",
    "Piece",
    "PositionBatches",
    "Preparation",
    "TemporaryFolder",
    "batch_of_arrow",
    "batch_to",
    "batch_views",
    "bounds_of_rank",
    "bounds_of_worker",
    "columns_of_table",
    "epoch_order",
    "import_library",
    "local_files",
    "names_of_arrays",
    "open_parquet",
    "pieces_between",
    "pieces_of_rank",
    "preparation_of",
    "prepared_folder",
    "read_ahead",
    "read_columns",
    "rebatch",
    "row_blocks",
    "seed_of",
    "shuffled_blocks",
    "shuffled_pieces",
    "take_positions",
    "window_shuffle",
    "windows_of",
    "worker_settings",
]
