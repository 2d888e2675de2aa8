"""The models of the tasks: mlp, dlrm and sequence. Each turns a Batch into raw scores."""
