"""`feedrate prepare` with object stores: what it reads is copied to this machine first, and what it wrote is copied to the store."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.stores.store_path import StorePath, path_of

if TYPE_CHECKING:
    from feedrate.bench.datasets.canonical import Dataset


def in_stores(prepare: Callable[..., Dataset]) -> Callable[..., None]:
    """Return the command that also takes addresses: of sources, of the archive and of the output. It prints the dataset."""

    @functools.wraps(prepare)
    def command(**options: Any) -> None:
        from feedrate.bench.cli.prepare.show_dataset import print_dataset
        from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

        if "://" in options["source"]:  # of Parquet files, as a path in this place is
            options |= {"source": "parquet", "paths": [path_of(options["source"]), *(options["paths"] or ())]}
        output = options["output"]
        if not any(isinstance(path, StorePath) for path in (output, options["archive"], *(options["paths"] or ()))):
            print_dataset(prepare(**options))
            return
        if options["dask"] and not options["dask"].startswith("local"):
            raise FeedrateError(
                "--dask names a cluster, but what is in an object store is copied to this machine: use --dask local, or "
                "copy it to a folder that all workers share"
            )
        with TemporaryFolder() as scratch:
            print_dataset(_prepare(prepare, options, output, scratch.path))

    return command


def _prepare(prepare: Callable[..., Dataset], options: dict[str, Any], output: Path, scratch: Path) -> Dataset:
    """Prepare with copies of the sources, and copy the result. scratch: an empty folder of this machine."""
    exists = isinstance(output, StorePath) and _is_dataset(
        output, replaced=options["overwrite"] or options["if_missing"]
    )
    addresses: dict[str, str] = {}
    with _with_addresses(addresses):
        if options["paths"]:
            options["paths"] = _copied_in(options["paths"], scratch / "paths", addresses)
        if options["archive"]:
            (options["archive"],) = _copied_in([options["archive"]], scratch / "archive", addresses)
        if not isinstance(output, StorePath) or (exists and options["if_missing"]):
            return prepare(**options)  # compares with what is there
        options["output"] = scratch / "output" / output.name
        options["output"].parent.mkdir()
        addresses[str(options["output"])] = str(output)
        dataset = prepare(**options)
    _copied_out(options["output"], output)
    return replace(dataset, folder=output)


def _is_dataset(output: StorePath, *, replaced: bool) -> bool:
    """Return whether there is a dataset, and not nothing or what an interrupted copy has left.

    replaced: whether a dataset there is no error. Raises FeedrateError if nothing can be written there.
    """
    from feedrate.loaders.stores.copying import UNFINISHED, require_writable

    require_writable(output)
    complete = (output / "dataset.json").is_file()
    if not complete and ((output / UNFINISHED).is_file() or not output.is_dir()):
        return False
    if not replaced:
        raise FeedrateError(f"{output} exists: pass --overwrite to replace it or choose another -o")
    if not complete:
        raise FeedrateError(f"{output} is not a dataset, so --overwrite does not touch it: choose another -o")
    return True


def _copied_in(paths: Sequence[Path], folder: Path, addresses: dict[str, str]) -> list[Path]:
    """Return the paths with copies in the place of what is in stores, and note the address of each copy."""
    from feedrate.bench.cli.terminal import with_bar
    from feedrate.loaders.stores.copying import copy_in
    from feedrate.loaders.stores.finding import find_stored

    finds = {path: find_stored(path) for path in paths if isinstance(path, StorePath)}
    total = sum(file.nbytes for found in finds.values() for file in found.files)

    def work(progress: Callable[[int, int], None]) -> list[Path]:
        done, copies = 0, []

        def received(nbytes: int) -> None:
            nonlocal done
            done += nbytes
            progress(done, total)

        for number, path in enumerate(paths):
            if not isinstance(path, StorePath):
                copies.append(path)
                continue
            place = folder / str(number) / finds[path].folder.name
            copies.append(copy_in(finds[path], place, received))
            addresses[str(place)] = str(finds[path].folder)
        return copies

    return with_bar("bytes", work)


def _copied_out(folder: Path, output: StorePath) -> None:
    from feedrate.bench.cli.terminal import with_bar
    from feedrate.loaders.stores.copying import copy_out

    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def work(progress: Callable[[int, int], None]) -> None:
        done = 0

        def sent(nbytes: int) -> None:
            nonlocal done
            done += nbytes
            progress(done, total)

        copy_out(folder, output, "dataset.json", sent)

    with_bar("bytes", work)


@contextlib.contextmanager
def _with_addresses(addresses: Mapping[str, str]) -> Iterator[None]:
    """Let errors name addresses in the place of copies. addresses: by the folder of the copy; it may grow meanwhile."""

    def named(text: str) -> str:
        return functools.reduce(lambda text, folder: text.replace(folder, addresses[folder]), addresses, text)

    try:
        yield
    except Faults as error:
        raise Faults([named(sentence) for sentence in error.sentences]) from None
    except FeedrateError as error:
        raise FeedrateError(named(str(error))) from None
