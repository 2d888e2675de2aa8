"""Invalid requests: one sentence, exit code 2, and nothing written."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

from feedrate.bench.cli.app import main
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.host import environment
from feedrate.bench.results.record import Environment


@cache
def cached_environment() -> Environment:
    """This environment, observed once: a process for each of the errors would take a minute."""
    return environment.collect()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("run nowhere -o x", "nowhere is not a prepared dataset"),
        ("run {data} -o x --loaders nativ", "unknown loader 'nativ'"),
        ("run {data} -o x --modes drive", "--modes: 'drive' is not one of load, replay, train"),
        ("run {data} -o x --batch-size many", "--batch-size: 'many' must be whole numbers with commas between"),
        ("run {data} -o x --memory-budget lots", "--memory-budget: 'lots' is not a size such as 2GB"),
        ("run {data} -o x --device cuda", "torch sees no CUDA device here"),
        ("run {data} -o x --loss l1", "--loss is 'l1', but must be one of mse, bce"),
        (
            "run {data} -o x --loaders nvtabular:part_size=1GB",
            "has no option 'part_size=1GB': its options are part_size_bytes",
        ),
        ("run {data} -o x --batch-size 0", "--batch-size: '0' must be whole numbers from 1 to 2,147,483,647"),
        ("run {data} -o x --batch-size 99999999999", "--batch-size: '99999999999' must be whole numbers from 1 to"),
        ("run {data} -o x --seeds 1,-1", "--seeds: '1,-1' must be whole numbers from 0 to 9,223,372,036,854,775,807"),
        ("run {data} -o x --hidden 99999999999", "--hidden: '99999999999' must be whole numbers from 1 to 1,048,576"),
        ("run {data} -o x --epochs 9999999999", "--epochs is 9999999999, but must be at most 1000000"),
        ("run {data} -o x --repeats 9999999999", "--repeats is 9999999999, but must be at most 1000000"),
        ("run {data} -o x --prefetch 9999999999", "--prefetch is 9999999999, but must be at most 1048576"),
        ("run {data} -o x --embedding-width 9999999", "--embedding-width is 9999999, but must be at most 1048576"),
        ("run {data} -o x --timeout 1e300", "--timeout is 1e+300, but must be at most 10,000,000"),
        ("run {data} -o x --budget inf", "--budget is inf, but must be finite and greater than 0"),
        ("run {data} -o x --precision 0", "--precision is 0, but must be greater than 0"),
        ("run {data} -o x --memory-budget 0", "--memory-budget: '0' must be a size from 1 byte to 1,000 PB"),
        ("run {data} -o x --device cuda:x", "--device is 'cuda:x', but must be auto, cpu, cuda or cuda:N"),
        ("run {data} -o x --baseline nix", "baseline is 'nix', but must be one of the loaders"),
        ("run {data} -o x --loaders sys:exit", "sys:exit cannot be called with (split, config): specify a class or"),
        ("run {data} -o x --loaders os:_exit", "os:_exit cannot be called with (split, config)"),
        ("run {data} -o x --loaders math:pi", "math:pi is neither an Adapter nor a class or function"),
        ("profile sys:exit {data} -o x --device cpu", "sys:exit cannot be called with (split, config)"),
        ("profile cupy {data} -o x --timeout 1e300", "--timeout is 1e+300, but must be at most 10,000,000"),
        ("profile cupy {data} -o x --steps 99999999999", "--steps is 99999999999, but must be at most 1000000"),
        ("check sys:exit --rows 2100", "sys:exit cannot be called with (split, config)"),
        ("check cupy --timeout inf", "--timeout is inf, but must be at most 10000000"),
        ("check cupy --rows 99999999999999", "--rows is 99999999999999, but must be at most 100000000000"),
        ("check cupy --device gpu", "--device is 'gpu', but must be auto, cpu, cuda or cuda:N"),
        ("prepare synthetic-movielens -o x --rows 99999999999999", "--rows is 99999999999999, but must be at most"),
        ("prepare synthetic-movielens -o x --seed 99999999999999999999", "--seed is 99999999999999999999, but must be"),
        (
            "prepare synthetic-movielens -o x --row-group-rows 9999999999",
            "is 9999999999, but must be at most 2147483647",
        ),
        ("calibrate --device gpu", "--device is 'gpu', but must be auto, cpu, cuda or cuda:N"),
        ("selftest --pairs 9999999999", "--pairs is 9999999999, but must be at most 1000000"),
        ("run {data} -o x --workers -1", "--workers is -1, but must be at least 0"),
        ("run {data} -o x --timeout 0", "--timeout is 0, but must be greater than 0"),
        ("run {data} -o x --timeout nan", "--timeout is nan, but must be finite and greater than 0"),
        ("run {data} -o x --learning-rate nan", "learning_rate is nan, but must be finite and greater than 0"),
        ("run {data} -o {data}/train/part-0000.parquet", "part-0000.parquet, which is a file: specify a folder"),
        ("run {data} -o x --memory-budget infGB", "--memory-budget: 'infGB' is not a size"),
        ("run {data} -o x --memory-budget=-infGB", "--memory-budget: '-infGB' is not a size"),
        ("run {data} -o x --loaders slow:delay_s=nan", "delay_s of the slow loader is nan"),
        (
            "report {data} --figures {data}/dataset.json",
            "--figures is {data}/dataset.json, which is a file: specify a folder",
        ),
        ("site {data} -o {data}/dataset.json", "-o is {data}/dataset.json, which is a file: specify a folder"),
        ("run {data} -o x --epochs many", "--epochs is 'many', but must be a whole number"),
        ("run {data} -o x --budget many", "--budget is 'many', but must be a number"),
        ("run", "missing argument DATA"),
        ("selftest --pairs -1", "--pairs is -1, but must be at least 0"),
        ("selftest --rounds 0", "--rounds is 0, but must be at least 1"),
        ("profile cupy,cupy {data} -o x", "loaders contains duplicates: cupy, cupy"),
        ("profile cupy {data} -o x --timeout inf", "--timeout is inf, but must be finite and greater than 0"),
        ("check cupy --rows 500", "--rows has 500 rows, but the rules need at least 4 batches of 512: 2048"),
        ("report nowhere", "does not exist"),
        ("report nowhere --format xml", "--format is 'xml', but must be one of table, markdown, csv"),
        ("report {data}", "does not exist"),
        ("report s3://bucket/run", "'s3://bucket/run' is in an object store: name a local path"),
        ("report x -o https://anna:geheim@host/a.html?sig=1", "--output: 'https://host/a.html' is in an object store"),
        (
            "report x --samples https://anna:geheim@host/a?sig=1",
            "--samples: 'https://host/a' is in an object store: name a local path",
        ),
        ("report x --figures s3://bucket/a", "--figures: 's3://bucket/a' is in an object store: name a local path"),
        ("compare s3://bucket/run@cupy", "'s3://bucket/run@cupy' is in an object store: name a local path"),
        ("explain s3://bucket/run", "'s3://bucket/run' is in an object store: name a local path"),
        ("simulate s3://bucket/run", "'s3://bucket/run' is in an object store: name a local path"),
        ("site s3://bucket/runs -o x", "'s3://bucket/runs' is in an object store: name a local path"),
        ("check cupy --data s3://bucket/data", "--data: 's3://bucket/data' is in an object store: name a local path"),
        ("run s3://AKIA:wJal/rXU@bucket/data -o x", "s3:// has a user or password in front of the bucket"),
        ("check replay", "there is nothing to check"),
        ("run {data}", "missing option -o / --output"),
        ("run {data} -o x --epoch 3", "No such option: --epoch"),
        ("nonesuch", "No such command 'nonesuch'"),
        ("prepare movielens-1m --etl spark -o x", "--etl is 'spark', but must be one of feedrate, nvtabular"),
        ("prepare movielens-99m -o x", "there is no source and no path 'movielens-99m': choose from movielens-100k"),
        ("prepare movielens-5m --archive {data} -o x", "-32m, -latest-small, -latest, synthetic-movielens"),
        ("prepare movielens-5m --archive {data} -o x", "use movielens-latest --archive"),
        ("prepare movielens-latest -o x", "movielens-latest changes over time"),
        ("prepare movielens-1m --archive {data} -o x", "has no ratings*.csv"),
        ("prepare movielens-1m --archive nowhere -o x", "nowhere does not exist"),
        ("prepare synthetic-movielens --rows 3 -o x", "--rows is 3, but"),
        ("prepare parquet -o x", "needs a PATH: a file, a folder"),
        (
            "prepare parquet {data} --like {data} --etl nvtabular -o x",
            "--like applies what feedrate's own ETL has fitted: it does not go with --etl nvtabular",
        ),
        ("prepare parquet nowhere --label y -o x", "nowhere does not exist"),
    ],
)
def test_a_user_s_error_is_one_sentence_and_exit_code_2(
    words: str,
    sentence: str,
    small: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process: twenty that import torch would take a minute."""
    if "--device cuda" in words:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device here")
    observed: list[str] = []
    monkeypatch.setattr(environment, "observe", lambda: observed.append(words) or cached_environment())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["feedrate", *words.format(data=small.folder).split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert sentence.format(data=small.folder) in said
    assert said.startswith("feedrate: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert not observed or "--device cuda" in words, "torch was imported before the arguments were checked"
