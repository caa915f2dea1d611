"""`titans lm`: a table of commands, each handled by a function that is imported only when it runs."""

from titans_seq.commands import Command, CommandGroup

COMMANDS: dict[str, Command] = {
    "demo": Command(
        "language.cli.demo:Demo",
        "language.cli.demo:demo",
        "see it on Python's documentation, without text of your own",
        ("--out runs/demo-lm",),
    ),
    "prepare": Command(
        "language.cli.prepare:Prepare",
        "language.cli.prepare:prepare",
        "turn text into token shards",
        (
            "book.txt --out shards/",
            "texts/ more.jsonl.gz --tokenizer tokenizer.json --validation 0.01 --out shards/",
            "fineweb-edu/*.parquet --tokenizer tokenizer.model --out shards/",
        ),
    ),
    "repeats": Command(
        "language.cli.repeats:Repeats",
        "language.cli.repeats:repeats",
        "make up streams of repeats that teach a memory to look up",
        ("shards/ --out repeats/",),
    ),
    "pretrain": Command(
        "language.cli.pretrain:Pretrain",
        "language.cli.pretrain:pretrain",
        "train a model on token shards",
        (
            "--preset tiny-mac --data shards/ --out runs/y",
            "--preset mag-340m --data fineweb-edu/ --strategy fsdp --devices 8 --out runs/big",
            "--resume --out runs/y",
        ),
    ),
    "generate": Command(
        "language.cli.generate:Generate",
        "language.cli.generate:generate",
        "go on with a prompt, as it comes",
        (
            'runs/y --prompt "The whale" --max-tokens 200 --seed 1',
            "runs/y --memory m.safetensors --temperature 0.8 --top-p 0.95",
        ),
    ),
    "read": Command(
        "language.cli.read:Read",
        "language.cli.read:read",
        "read a document of any length into a memory file",
        ("runs/y book.txt --save-memory m.safetensors",),
    ),
    "evaluate": Command(
        "language.cli.evaluate:Evaluate",
        "language.cli.evaluate:evaluate",
        "perplexity by position, with state carried and with windows cut",
        ("runs/y book.txt --out runs/y/evaluation",),
    ),
    "export": Command(
        "language.cli.export:Export",
        "language.cli.export:export",
        "write a model as a Hugging Face folder, or back",
        ("runs/y --to hf", "runs/y/hf --to titans --out models/y"),
    ),
    "task": Command(
        "language.cli.task:TaskTrial",
        "language.cli.task:task",
        "train small models on a long-context task and test them at many lengths",
        (
            "induction-heads --model lmm --model transformer --model window --seeds 3",
            "mqar-128-8 --model mac --model mac-no-memory --lr 1e-3 3e-3 1e-2 --out runs/mqar",
            "babilong-qa1 --data ../shared/data/text --model mal --longest 16384",
            "--list",
        ),
    ),
}

GROUP = CommandGroup("Language models with a memory: from text to a model that talks.", COMMANDS)
