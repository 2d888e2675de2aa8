"""The parts in which a dataset is prepared: one after the other in this process, or on the workers of a Dask cluster."""
