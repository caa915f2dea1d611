"""What a run of a forecaster keeps in its folder."""

from titans_seq.experiment.run_folder import RunLayout

CHECKPOINT = "checkpoints/last.pt"
RUNS = RunLayout(
    (
        "card.md",
        "history.csv",
        "metrics.json",
        "metrics.csv",
        "metrics_by_step.csv",
        "backtest.csv",
        "backtest_metrics.json",
        "backtest_metrics.csv",
        "forecast.csv",
        "forecast.png",
        "training.png",
    ),
    finish="`titans forecast train --resume --out {out}`",
)
