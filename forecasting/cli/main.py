"""`titans forecast`: a table of commands, each handled by a function that is imported only when it runs."""

from titans_seq.commands import Command, CommandGroup

COMMANDS: dict[str, Command] = {
    "demo": Command(
        "forecasting.cli.demo:Demo",
        "forecasting.cli.demo:demo",
        "see it on a real series, without a file of your own",
        ("--out runs/demo",),
    ),
    "train": Command(
        "forecasting.cli.options:Train",
        "forecasting.cli.train:train",
        "train a forecaster on a file",
        (
            "data.csv --horizon 96 --out runs/x",
            "sales.csv --horizon 12 --known price --missing-value -9999 --out runs/sales",
            "--resume --out runs/x",
            "--config runs/x --seed 1 --out runs/y",
        ),
    ),
    "update": Command(
        "forecasting.cli.options:Update",
        "forecasting.cli.at_once:update",
        "take new rows into a run, without training",
        ("runs/x longer.csv",),
    ),
    "pretrain": Command(
        "forecasting.cli.pretrain:Pretrain",
        "forecasting.cli.pretrain:pretrain",
        "pretrain a zero-shot forecaster on made-up series",
        (
            "--out runs/p --steps 100000",
            "--out runs/p --resume",
            "--out runs/wide --set network.width=96 --seed 1",
        ),
    ),
    "samples": Command(
        "forecasting.cli.samples:Samples",
        "forecasting.cli.samples:samples",
        "draw a sheet of made-up series",
        ("--out samples.png", "--seed 3 --length 1000 --out long.svg"),
    ),
    "evaluate": Command(
        "forecasting.cli.options:Evaluate",
        "forecasting.cli.verbs:evaluate",
        "score every window of the test part, beside the baselines",
        ("runs/x", "runs/own --part validation"),
    ),
    "backtest": Command(
        "forecasting.cli.options:BacktestOptions",
        "forecasting.cli.verbs:backtest",
        "forecast from several past cutoffs, and score the forecasts",
        ("runs/x", "runs/x --windows 10 --step 24"),
    ),
    "predict": Command(
        "forecasting.cli.options:Predict",
        "forecasting.cli.verbs:predict",
        "forecast the future, with dates and quantiles",
        (
            "data.csv --horizon 24 --out forecast.csv",
            "runs/x --out forecast.csv --levels 0.1 0.5 0.9",
            "sales.csv --id region --id shop --horizon 12 --hierarchy mint --out forecast.csv",
            "runs/x new.csv --out forecast.csv",
            "data.csv --horizon 24 --model best --out forecast.csv",
        ),
    ),
    "plot": Command(
        "forecasting.cli.options:Plot",
        "forecasting.cli.verbs:plot",
        "draw the forecast, the training curve and the error over the horizon",
        ("runs/x", "runs/x --series north --out north.png"),
    ),
    "benchmark": Command(
        "forecasting.cli.options:Benchmark",
        "forecasting.cli.benchmark:benchmark",
        "one run of the long-horizon benchmark",
        (
            "ETTh1 --data-dir ../shared/data/forecasting --horizon 96",
            "ETTm1 --horizon 336 --mixer identity --seed 1 --out results/",
        ),
    ),
    "info": Command(
        "forecasting.cli.options:Info",
        "forecasting.cli.verbs:info",
        "say what a run folder or a data file holds",
        ("runs/x", "data.csv"),
    ),
}

GROUP = CommandGroup("Train, evaluate and use a forecaster on your own series.", COMMANDS)
