"""The command `feedrate`, which is also `python -m feedrate`. Search path and signals are in order before the rest is imported."""

from __future__ import annotations


def main(module: str = "feedrate.bench.cli.app") -> None:
    """Run the main() of a module. If a signal stops it, end with a sentence and exit code 130, 143 or 129."""
    import _signal  # type: ignore[import-not-found]  # `signal` itself imports modules, and Ctrl-C meanwhile would print a traceback

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from feedrate.bench.host.lifecycle.search_path import leave_current_folder

    leave_current_folder()
    from feedrate.bench.host.lifecycle.stop_signals import StopSignals

    signals = StopSignals()
    try:
        signals.handle()
        from importlib import import_module

        import_module(module).main()
    except BaseException:  # a signal may become any exception in a library
        if signals.stopped is None:
            raise
    if signals.stopped is not None:
        signals.leave()


if __name__ == "__main__":
    main()
