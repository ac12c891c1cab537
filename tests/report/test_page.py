"""`vidprep report` from the command line to the file: self-contained, escaped, honest about gaps."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tests.helpers.programs.program import run_here
from tests.helpers.runs.report_material import SCRIPT, write_evaluation, write_run, write_shards
from tests.helpers.sets.numbered import write_manifest
from vidprep.cli.report import _progress
from vidprep.errors import ReportError
from vidprep.report.find import find_subjects
from vidprep.report.page import image_chars, write_page
from vidprep.shards.index import write_index
from vidprep.shards.layout import CLASSES, INDEX, MANIFEST


def report(*arguments):
    return run_here("report", *arguments)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text that is shown."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += f" {data}"


@pytest.fixture(scope="module")
def page(work, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "new" / "report.html"
    done = report(work, "--out", out)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"report\.html: 1 shard set, 2 runs, 1 evaluation, 1 analysis; [\d.]+ .B, [\d.]+ s\.", done.stdout
    )
    assert f"Looking at shards {work / 'shards'}" in done.stderr
    return out.read_text()


def test_every_section_is_there_and_in_the_contents(page):
    elements = Elements(page)
    ids = {attributes["id"] for _, attributes in elements.found if "id" in attributes}
    links = [attributes["href"] for tag, attributes in elements.found if tag == "a"]
    assert {"shards-1-accounting", "shards-1-clips", "shards-1-geometry", "runs", "analysis-1"} <= ids
    assert {"evaluation-1-classes", "evaluation-1-confusions", "evaluation-1-wrong"} <= ids
    assert len(links) > 12
    assert all(link[0] == "#" and link[1:] in ids for link in links)


def test_nothing_comes_from_elsewhere_and_nothing_runs(page):
    elements = Elements(page)
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base"}
    for _, attributes in elements.found:
        assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page


def test_the_policy_allows_this_style_sheet_and_nothing_else(page):
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = (
        a["content"] for tag, a in Elements(page).found if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith(f"default-src 'none'; img-src data:; style-src 'sha256-{digest}';")


def test_a_class_that_is_a_script_is_text_everywhere(page):
    assert "<script" not in page
    assert Elements(page).text.count(SCRIPT) > 15


def test_the_accounting_counts_the_ledger_beside_table_a(page):
    text = Elements(page).text
    assert "annotated 71 9 " in text
    assert "Table A of the paper 168,913 24,777" in text
    assert "difference −168,842 −24,768" in text
    assert "used 9 9 missing 2 0 rejected 60 0" in text


def test_a_long_list_is_cut_and_names_the_command(page, work):
    text = Elements(page).text
    assert "60 rejected videos" in text
    assert f"20 more; vidprep ledger {work / 'shards'} --list rejected lists them all." in text
    assert text.count("train-bad") == 40
    assert "train-gone1" in text


def figure_of(page):
    (source,) = (a["src"] for tag, a in Elements(page).found if "energy per frame" in a.get("alt", ""))
    return source


def test_a_page_keeps_to_its_size(work, tmp_path):
    subjects = find_subjects([work])
    whole, small = write_page(subjects), write_page(subjects, max_bytes=1_000_000)
    assert len(small.encode()) < 1_000_000 < len(whole.encode())
    assert figure_of(whole).startswith("data:image/png")
    assert figure_of(small).startswith("data:image/webp")
    out = tmp_path / "report.html"
    done = report(work, "--out", out, "--max-mb", "0.5")
    assert done.returncode == 0
    assert out.stat().st_size < 500_000


def test_a_shard_set_of_rejected_videos_only(tmp_path):
    root = write_shards(tmp_path / "set", tmp_path, lengths=(20,), names=("one",))
    shutil.rmtree(root / "train")
    write_index([], root / INDEX)
    write_manifest(root, ())
    page = write_page(find_subjects([root]))
    text = Elements(page).text
    assert "No video is in this shard set" in text
    assert "60 rejected videos" in text
    assert "Clip geometry" not in text


def test_third_party_tars_have_neither_recipe_nor_ledger(work, tmp_path):
    root = shutil.copytree(work / "shards", tmp_path / "set")
    (root / MANIFEST).unlink()
    (root / "ledger.parquet").unlink()
    text = Elements(write_page(find_subjects([root]))).text
    assert "Nothing is known about videos that are not in it." in text
    assert "These shards name no recipe: the defaults are shown." in text
    assert "Accounting" not in text


def test_damaged_subjects_are_notes_beside_others_and_errors_alone(work, tmp_path):
    write_run(tmp_path / "run")
    damaged = write_evaluation(tmp_path / "eval", work / "shards")
    (damaged / "results.json").write_text('{"format": 7}')
    text = Elements(write_page(find_subjects([tmp_path]))).text
    assert "eval/results.json holds no results of this version: " in text
    done = report(damaged, "--out", tmp_path / "report.html")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"Error: {damaged / 'results.json'} holds no results")
    assert not (tmp_path / "report.html").exists()


def test_a_stale_index_is_an_error(work, tmp_path):
    root = shutil.copytree(work / "shards", tmp_path / "set")
    data = bytearray((root / "index.parquet").read_bytes())
    data[100] ^= 1
    (root / "index.parquet").write_bytes(data)
    done = report(root, "--out", tmp_path / "report.html")
    assert done.returncode == 1
    assert "is stale or damaged" in done.stderr


def test_wrong_usage(work, tmp_path):
    assert report().returncode == 2
    wrong = report(work, "--out", tmp_path / "report.txt")
    assert wrong.returncode == 2
    assert "does not end" in " ".join(wrong.stderr.replace("│", " ").split())
    endless = report(work, "--out", tmp_path / "report.html", "--max-mb", "inf")
    assert endless.returncode == 2
    assert "--max-mb" in endless.stderr
    nothing = report(tmp_path, "--out", tmp_path / "report.html")
    assert nothing.returncode == 1
    assert "nothing to report on" in nothing.stderr


def test_looking_takes_no_torch(work, tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vidprep.report.find import find_subjects\n"
        "from vidprep.report.page import image_chars, write_page\n"
        f"write_page(find_subjects([Path({str(work)!r})]))\n"
        "print([name for name in ('torch', 'dask', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_room_is_shared_by_need(work):
    subjects = find_subjects([work])
    chars = {subject.kind: n for subject, n in image_chars(subjects, 10_000_000).items()}
    assert 9_000_000 < sum(chars.values()) < 10_000_000
    assert chars["run"] == 0
    assert chars["analysis"] > chars["shards"] > chars["evaluation"] > 0  # a large figure, three classes
    assert sum(image_chars(subjects, 500_000).values()) <= 250_000


def test_evaluations_are_compared(work, tmp_path):
    for name, wrong in (("a", (0,)), ("b", (0, 1, 2))):
        write_evaluation(tmp_path / name, work / "shards", wrong=wrong)
    text = Elements(write_page(find_subjects([tmp_path]))).text
    assert "a: validation, 9 videos, 3 × 3 views 88.89 % 100.00 % 88.89 %" in text
    assert "b: validation, 9 videos, 3 × 3 views 66.67 % 100.00 % 66.67 %" in text


def test_a_damaged_class_list_is_an_error(work, tmp_path):
    root = shutil.copytree(work / "shards", tmp_path / "set")
    (root / CLASSES).write_text('["no object"]')
    with pytest.raises(ReportError, match=r"classes\.json is damaged \(string indices"):
        write_page(find_subjects([root]))


def test_names_on_a_terminal_are_no_markup(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with _progress() as (on_stage, on_clip):
        on_stage("shards [/a]")
        on_clip(1, 2)
    assert "shards [/a]" in capsys.readouterr().err


def test_a_stage_without_clips_has_not_the_number_of_those_before(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with _progress() as (on_stage, on_clip):
        on_stage("shards")
        on_clip(3, 3)
        on_stage("evaluation")
    last = capsys.readouterr().err.rpartition("evaluation")[2]
    assert "/?" in last
    assert "/3" not in last
