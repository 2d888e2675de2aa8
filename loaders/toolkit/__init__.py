"""What authors of adapters share: reading a split, the order of an epoch, and batches on a device.

from feedrate.loaders.toolkit import EpochSampler, batch_to, read_columns
"""

from feedrate.loaders.parquet.columns import Columns, batch_to, columns_of_table, epoch_order, read_columns
from feedrate.loaders.toolkit.torch_workers import EpochSampler, worker_settings

__all__ = ["Columns", "EpochSampler", "batch_to", "columns_of_table", "epoch_order", "read_columns", "worker_settings"]
