"""One experiment for every domain: settings, fitting, run folders, provenance and rows of results.

Import from the modules: `settings`, `overrides`, `provenance`, `history`, `rows` and `record` load neither PyTorch nor
Lightning, so that `--help` stays quick.
"""
