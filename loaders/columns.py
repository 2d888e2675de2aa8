"""The place from which loaders in other packages imported these functions before feedrate.loaders.toolkit had them."""

from feedrate.loaders.toolkit import Columns, batch_to, columns_of_table, epoch_order, read_columns

__all__ = ["Columns", "batch_to", "columns_of_table", "epoch_order", "read_columns"]
