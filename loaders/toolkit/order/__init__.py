"""The order of rows: seeds of epochs, shares of ranks and workers, and shuffles in windows."""
