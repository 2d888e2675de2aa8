"""How the processes of a trial are started: one alone, several by torchrun, or one by each process that the user started."""
