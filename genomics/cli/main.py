"""`titans dna`: a table of commands, each handled by a function that is imported only when it runs."""

from titans_seq.commands import Command, CommandGroup

COMMANDS: dict[str, Command] = {
    "demo": Command(
        "genomics.cli.demo:Demo",
        "genomics.cli.demo:demo",
        "see it on made-up sequences with a motif, without files of your own",
        ("--out runs/demo-dna",),
    ),
    "fetch": Command(
        "genomics.cli.fetch:Fetch",
        "genomics.cli.fetch:fetch",
        "download a published data set",
        ("human_enhancers_cohn --out data/", "--list"),
    ),
    "check": Command(
        "genomics.cli.check:Check",
        "genomics.cli.check:check",
        "look for artefacts in a data set before training",
        ("data/", "promoters.csv --sequence seq --label class --k 30"),
    ),
    "train": Command(
        "genomics.cli.train:Train",
        "genomics.cli.train:train",
        "train a classifier, and evaluate it beside the baselines",
        (
            "data/ --out runs/z",
            "enhancers.csv --folds 5 --groups --out runs/cv",
            "data/ --init runs/p --strands equivariant --directions both --out runs/y",
            "peaks.bed.csv --reference genome.fa --window 200 --out runs/w",
            "--resume --out runs/z",
        ),
    ),
    "evaluate": Command(
        "genomics.cli.evaluate:Evaluate",
        "genomics.cli.evaluate:evaluate",
        "score a classifier on labelled sequences, beside the baselines",
        ("runs/z", "runs/z independent.csv --out runs/z/independent"),
    ),
    "predict": Command(
        "genomics.cli.predict_options:Predict",
        "genomics.cli.predict:predict",
        "predictions for any number of sequences of any length",
        (
            "runs/z new.fa --out scores.csv",
            "runs/z reads.fastq.gz more.fa --skip-bad --out scores.csv",
            "runs/z genome.fa --window 101 --stride 25 --out scores.bedGraph",
        ),
    ),
    "decide": Command(
        "genomics.cli.decide:Decide",
        "genomics.cli.decide:decide",
        "choose a threshold and calibrate, on validation",
        ("runs/z", "runs/z --by recall=0.9"),
    ),
    "embed": Command(
        "genomics.cli.embed:Embed",
        "genomics.cli.embed:embed",
        "features of sequences, or of each of their steps",
        ("runs/z new.fa --out features.csv", "runs/p new.fa --per-step --out steps.csv"),
    ),
    "explain": Command(
        "genomics.cli.explain:Explain",
        "genomics.cli.explain:explain",
        "which bases a prediction rests on",
        (
            "runs/z new.fa --out explained/",
            "runs/z new.fa --record chr1 --span 400 600 --target yes --out explained/",
        ),
    ),
    "motifs": Command(
        "genomics.cli.motifs:Motifs",
        "genomics.cli.motifs:motifs",
        "which motifs predictions rest on",
        (
            "runs/z positives.fa --out motifs/",
            "runs/z peaks.bed --reference genome.fa --database JASPAR.meme --out motifs/",
        ),
    ),
    "marginalise": Command(
        "genomics.cli.marginalise:Marginalise",
        "genomics.cli.marginalise:marginalise",
        "what a motif does, alone and in pairs",
        (
            "runs/z --motif TGACTCA --background negatives.fa --out effects/",
            "runs/z --motif TGACTCA --with GATAA --spacing 0:200 --out effects/",
        ),
    ),
    "negatives": Command(
        "genomics.cli.negatives:Negatives",
        "genomics.cli.negatives:negatives",
        "regions or shuffles like the positives",
        ("peaks.bed --reference genome.fa --out negatives.bed", "positives.fa --out negatives.fa"),
    ),
    "variants": Command(
        "genomics.cli.variants:Variants",
        "genomics.cli.variants:variants",
        "what variants do to a prediction",
        ("runs/z calls.vcf.gz --reference ref.fa --out variants.csv",),
    ),
    "pretrain": Command(
        "genomics.cli.pretrain:Pretrain",
        "genomics.cli.pretrain:pretrain",
        "train an encoder on sequences without labels",
        (
            "genome.fa.gz --out runs/p",
            "genome.fa.gz more.fa --objective masked --preset medium --steps 5000 --out runs/p",
            "--resume --out runs/p",
        ),
    ),
    "benchmark": Command(
        "genomics.cli.benchmark:Benchmark",
        "genomics.cli.benchmark:benchmark",
        "train on a published set beside the baselines, over seeds",
        (
            "prom_core_tata --data-dir ../shared/data/dna --seeds 3",
            "human_enhancers_cohn --data-dir ../shared/data/dna --directions both --out results/",
            "--list",
        ),
    ),
}

GROUP = CommandGroup("Classifiers of DNA: from sequence files to predictions and variants.", COMMANDS)
