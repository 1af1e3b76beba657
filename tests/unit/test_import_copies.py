"""Changed copies of imported files are recognised before anything counts twice."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_import_mapping import HEADER, SALE, Kept
from test_import_readers import OWN, ROW

from streams.errors import UsageError
from streams.importing import ImportJob, ImportSummary, run_import
from streams.importing.copies import SIZE, common_share, sketch
from streams.settings import Settings


def rows(start: int, end: int) -> str:
    return HEADER + "".join(f"2024-01-01,r,c{n},p,1,{n}\n" for n in range(start, end))


def send(
    folder: Path, name: str, content: str, kept: Kept, *, kind: str = "sale", as_new: bool = False
) -> ImportSummary:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    (folder / "m.yaml").write_text(SALE)
    return run_import(ImportJob(kind, folder / name, folder / "m.yaml"), Settings(), as_new=as_new, sink=kept)


def test_a_changed_copy_is_refused_before_a_row_is_sent(tmp_path: Path) -> None:
    kept = Kept()
    send(tmp_path, "sales.csv", rows(0, 100), kept)
    mended = rows(0, 100).replace("c7,p,1,", "c7,p,2,")
    with pytest.raises(UsageError) as caught:
        send(tmp_path, "mended.csv", mended, kept)
    assert len(kept.events) == 100
    message = str(caught.value)
    assert "has about 98% of its rows in common with" in message  # 99 of the 101 different rows
    assert "--rejected FILE" in message
    send(tmp_path, "mended.csv", mended, kept, as_new=True)
    assert len(kept.events) == 200


def test_the_quotes_and_the_line_ends_do_not_make_other_rows(tmp_path: Path) -> None:
    kept = Kept()
    send(tmp_path, "sales.csv", rows(0, 100), kept)
    with pytest.raises(UsageError, match="about 100% of its rows in common"):
        send(tmp_path, "copy.csv", rows(0, 100).replace(",p,", ',"p",').replace("\n", "\r\n"), kept)


def test_the_same_content_again_and_a_longer_file_are_told_apart(tmp_path: Path) -> None:
    kept = Kept()
    send(tmp_path, "sales.csv", rows(0, 100), kept)
    assert send(tmp_path, "renamed.csv", rows(0, 100), kept).note is None
    with pytest.raises(UsageError, match="about 50% of its rows"):
        send(tmp_path, "longer.csv", rows(0, 200), kept)


def test_another_file_of_the_same_name_is_noted(tmp_path: Path) -> None:
    kept = Kept()
    send(tmp_path, "sales.csv", rows(0, 100), kept)
    noted = send(tmp_path, "april/sales.csv", rows(90, 200), kept).note
    assert noted is not None
    assert "another file named sales.csv was imported" in noted
    assert "rows that stand in both count twice" in noted
    assert send(tmp_path, "may.csv", rows(200, 300), kept).note is None
    assert len(kept.events) == 310


def test_files_whose_ids_do_not_depend_on_them_are_not_compared(tmp_path: Path) -> None:
    kept = Kept()
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text(f"{OWN}{ROW}{'' if name == 'one.csv' else ROW.replace('e1', 'e2', 1)}")
        run_import(ImportJob("sale", tmp_path / name), Settings(), sink=kept)
    assert kept.files == []


def test_a_file_of_which_nothing_was_sent_is_not_remembered(tmp_path: Path) -> None:
    kept = Kept()
    send(tmp_path, "sales.csv", rows(0, 5).replace("2024-01-01", "gestern"), kept)
    assert kept.files == []
    send(tmp_path, "sales.csv", rows(0, 5), kept)
    assert [(file.kind, file.file, len(file.rows_sketch)) for file in kept.files] == [
        ("sale", str(tmp_path / "sales.csv"), 5)
    ]
    assert abs((datetime.now(UTC) - kept.files[0].imported_at).total_seconds()) < 60


@pytest.mark.parametrize("common", [0, 300, 3_000, 5_700])
def test_the_share_of_large_files_is_estimated(common: int) -> None:
    one = sketch(str(n).encode() for n in range(6_000))
    other = sketch(str(n).encode() for n in range(6_000 - common, 12_000 - common))
    assert len(one) == len(other) == SIZE
    assert common_share(one, other) == pytest.approx(common / (12_000 - common), abs=0.05)


def test_a_sketch_is_the_smallest_of_all_hashes_and_knows_no_order() -> None:
    texts = [str(n % 4_500).encode() for n in range(9_000)]
    assert sketch(texts, 10) == sketch(reversed(texts), 10) == sketch(texts, 5_000)[:10]
    assert len(sketch(texts, 5_000)) == 4_500
    assert common_share([], []) == 0
