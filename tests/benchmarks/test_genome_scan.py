"""The scan's benchmark counts what it scans."""

from pathlib import Path

from benchmarks import genome_scan


def test_a_row_holds_what_was_scanned(tmp_path: Path) -> None:
    row = genome_scan.measure(genome_scan.Arguments(bases=1_010), tmp_path)
    assert (row["bases"], row["windows"]) == (1_010, 18)  # 17 each 50 bases, and one that ends with the contig
    assert 0 < row["cpu_s"] < 60
    assert "| 1,010 | 18 of 200, one each 50 |" in genome_scan.table({"rows": [row]})
