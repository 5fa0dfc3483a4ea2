"""``orchestrator verify``: any changed byte of any file is named."""

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.store import Store


@pytest.fixture(name="place")
def _place(store, append, rows) -> Path:
    append(store, rows(1, 0, alpha=0.5))
    append(store, rows(2, 0, mode="x"))
    store.checkpoints.write("cell-0", random.Random(0).randbytes(400))
    return Path(store.location)


def test_a_sound_folder(place, call):
    code, out, err = call("verify", str(place))
    assert (code, out) == (0, "")
    assert err == "10 files read, none damaged.\n"
    assert call("verify", "--results", str(place))[0] == 0


def test_every_changed_byte_of_every_file_is_named(place, store):
    files = [path for path in place.rglob("*") if path.suffix == ".parquet" or path.parent.name == "checkpoints"]
    assert len(files) == 10
    draw = random.Random(1)
    for file in files:
        data = file.read_bytes()
        for _ in range(12):
            at, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
            file.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            (sentence,) = Store.open(store.location).verify().damaged
            assert file.name in sentence
            assert "\n" not in sentence
        for cut in (0, 5, len(data) - 1):
            file.write_bytes(data[:cut])
            assert len(store.verify().damaged) == 1
        file.write_bytes(data)
    assert store.verify().damaged == []


def test_one_line_for_each_and_exit_code_1(place, call):
    for name in ("runs", "metrics"):
        file = next((place / name).glob("00*.parquet"))
        data = bytearray(file.read_bytes())
        data[60] ^= 4
        file.write_bytes(data)
    code, out, err = call("verify", str(place))
    assert code == 1
    assert (
        sorted(line.split(" is damaged: ")[1] for line in out.splitlines())
        == ["its contents are not those that were written."] * 2
    )
    assert "2 damaged" in err


def test_a_segment_of_an_older_version_is_read_and_counted(place, store, call):
    file = next((place / "runs").glob("00*.parquet"))
    older = file.with_name(f"{1_700_000_000_000_000:016d}-{'ab' * 8}.parquet")
    pq.write_table(pq.read_table(file), older, write_page_checksum=True)
    file.unlink()
    code, out, err = call("verify", str(place))
    assert (code, out) == (0, "")
    assert "1 are of an older version and have no digest" in err
    older.write_bytes(older.read_bytes()[:-9])
    assert call("verify", str(place))[0] == 1


def test_a_folder_that_is_none(tmp_path, call):
    code, out, err = call("verify", str(tmp_path / "absent"))
    assert (code, out) == (2, "")
    assert err.startswith("There are no results in")
