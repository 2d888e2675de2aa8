"""One process of several that run trials together: `torchrun --nproc-per-node 2 -m feedrate.rank run DATA ...`."""

from __future__ import annotations

if __name__ == "__main__":
    from feedrate.__main__ import main

    main("feedrate.bench.cli.run.ranks")
