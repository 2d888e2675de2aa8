"""The processes that run one trial together, as torchrun or Slurm starts them."""
