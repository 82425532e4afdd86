# SPDX-License-Identifier: BSD-3-Clause
"""The module of the role hugepages, on a pool made of files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def hugepages(checkout: Path) -> ModuleType:
    path = checkout / "roles/hugepages/library/hugepages.py"
    spec = importlib.util.spec_from_file_location("hugepages", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pool(hugepages: ModuleType, tmp_path: Path):
    """A pool with 10 pages, 4 of them in use by others."""
    for name, pages in {"nr_hugepages": 10, "free_hugepages": 6, "resv_hugepages": 0}.items():
        (tmp_path / name).write_text(f"{pages}\n")
    return hugepages.Pool(tmp_path, tmp_path / "compact_memory")


def record(others: int, added: int, total: int) -> dict[str, int]:
    return {"others": others, "added": added, "total": total}


@pytest.mark.parametrize(
    ("total", "used", "pages", "before", "expected"),
    [
        pytest.param(0, 0, 128, None, record(0, 128, 128), id="an empty pool grows"),
        pytest.param(10, 4, 128, None, record(4, 122, 132), id="what others use is not counted"),
        pytest.param(512, 0, 128, None, record(0, 0, 512), id="enough is left as it is"),
        pytest.param(0, 0, 0, None, record(0, 0, 0), id="none wanted, none added"),
        pytest.param(
            128, 60, 128, record(0, 128, 128), record(0, 128, 128), id="our own use is not others'"
        ),
        pytest.param(
            128, 60, 64, record(0, 128, 128), record(0, 128, 128), id="fewer wanted, none taken"
        ),
        pytest.param(
            128, 60, 200, record(0, 128, 128), record(0, 200, 200), id="more wanted, more added"
        ),
        pytest.param(
            600, 60, 128, record(0, 128, 128), record(0, 128, 128), id="others added since"
        ),
        pytest.param(
            0, 0, 128, record(0, 128, 128), record(0, 128, 128), id="a reboot emptied the pool"
        ),
    ],
)
def test_the_record_says_what_to_add(hugepages, total, used, pages, before, expected):
    assert hugepages.plan(total, used, pages, before) == expected


def test_reserving_twice_changes_once(hugepages, pool, tmp_path):
    kept = tmp_path / "deployment" / "record.json"
    assert hugepages.reserve(pool, 20, kept, check=False)[:3] == (10, 24, True)
    assert pool.total == 24
    assert hugepages.reserve(pool, 20, kept, check=False)[:3] == (24, 24, False)


def test_check_mode_tells_and_touches_nothing(hugepages, pool, tmp_path):
    kept = tmp_path / "record.json"
    assert hugepages.reserve(pool, 20, kept, check=True)[:3] == (10, 24, True)
    assert pool.total == 10
    assert not kept.exists()


def test_giving_back_takes_away_what_was_added_and_no_more(hugepages, pool, tmp_path):
    kept = tmp_path / "record.json"
    hugepages.reserve(pool, 20, kept, check=False)
    pool.resize(100)
    assert hugepages.give_back(pool, kept, check=False)[:3] == (100, 86, True)
    assert not kept.exists()
    assert hugepages.give_back(pool, kept, check=False)[:3] == (86, 86, False)


def test_a_pool_emptied_by_a_reboot_is_filled_again(hugepages, pool, tmp_path):
    kept = tmp_path / "record.json"
    kept.write_text(json.dumps(record(0, 20, 20)))
    pool.resize(0)
    assert hugepages.reserve(pool, 20, kept, check=False)[:3] == (0, 20, True)
    assert pool.total == 20


def test_too_little_memory_leaves_the_pool_as_it_was(hugepages, pool, tmp_path, monkeypatch):
    resize = hugepages.Pool.resize
    monkeypatch.setattr(hugepages.Pool, "resize", lambda self, pages: resize(self, min(pages, 15)))
    with pytest.raises(hugepages.Shortage, match="Only 15 of 24 pages"):
        hugepages.reserve(pool, 20, tmp_path / "record.json", check=False)
    assert pool.total == 10
    assert not (tmp_path / "record.json").exists()


def test_pages_may_wait_for_a_boot(hugepages, pool, tmp_path, monkeypatch):
    resize = hugepages.Pool.resize
    monkeypatch.setattr(hugepages.Pool, "resize", lambda self, pages: resize(self, min(pages, 15)))
    kept = tmp_path / "record.json"
    waiting = {"others": 4, "added": 0, "total": 10, "boot": 14}
    first = hugepages.reserve(pool, 20, kept, check=False, at_boot=True)
    assert first == (10, 10, True, waiting, True)
    again = hugepages.reserve(pool, 20, kept, check=False, at_boot=True)
    assert again == (10, 10, False, waiting, True)


def test_pages_that_a_boot_reserved_are_given_back_later(hugepages, pool, tmp_path):
    kept = tmp_path / "record.json"
    kept.write_text(json.dumps({"others": 4, "added": 0, "total": 10, "boot": 14}))
    pool.resize(24)
    after = hugepages.reserve(pool, 20, kept, check=False)
    assert after == (24, 24, True, record(4, 14, 24), False)
    assert hugepages.reserve(pool, 20, kept, check=False)[2] is False
    assert hugepages.give_back(pool, kept, check=False)[:3] == (24, 10, True)


@pytest.mark.parametrize(
    ("size", "node", "folder"),
    [
        ("2M", None, "kernel/mm/hugepages/hugepages-2048kB"),
        ("1G", None, "kernel/mm/hugepages/hugepages-1048576kB"),
        ("2M", 1, "devices/system/node/node1/hugepages/hugepages-2048kB"),
    ],
)
def test_each_size_and_numa_node_has_its_pool(hugepages, tmp_path, size, node, folder):
    assert hugepages.pool_folder(size, node, tmp_path) == tmp_path / folder


def test_a_nodes_pool_does_not_say_what_was_promised(pool):
    (pool.folder / "resv_hugepages").unlink()
    assert pool.used == 4
