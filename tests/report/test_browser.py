"""The page as Chromium shows it: on a desk, on a phone, by day and by night."""

import pytest

from tests.helpers.programs.browser import Browser, find_chromium
from tests.helpers.runs.report_material import SCRIPT
from vidprep.report.find import find_subjects
from vidprep.report.page import write_page

WAYS = {"desk": (1280, False), "night": (1280, True), "phone": (375, False)}


@pytest.fixture(scope="module")
def path(work, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(write_page(find_subjects([work])), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with Browser(find_chromium()) as browser:
        yield browser


@pytest.mark.parametrize("way", WAYS)
def test_the_page_is_whole(browser, path, way):
    width, dark = WAYS[way]
    browser.open(path, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == []
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    images = browser.run(
        "Promise.all([...document.images].map(each => each.decode().then(() => each.naturalWidth)))"
    )
    assert len(images) > 30
    assert min(images) > 0
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert (
        browser.run("[...document.querySelectorAll('svg')].filter(each => !each.getBBox().width).length") == 0
    )
    assert browser.complaints() == []


def test_the_script_is_shown_as_text(browser, path):
    browser.open(path)
    assert browser.run("document.scripts.length") == 0
    assert SCRIPT in browser.run("document.body.innerText")
    captions = browser.run("[...document.querySelectorAll('.sheet figcaption')].map(each => each.innerText)")
    assert SCRIPT in captions


def test_every_heading_of_the_contents_is_there(browser, path):
    browser.open(path)
    assert browser.run(
        "[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.getAttribute('href')))"
    )
    headings = browser.run("[...document.querySelectorAll('h2')].map(each => each.innerText)")
    assert headings == ["The answer", "Numbered", "Training", "Evaluation eval", "Effective receptive field"]


def test_the_style_applies_and_follows_the_colour_scheme(browser, path):
    colours = []
    for dark in (False, True):
        browser.open(path, dark=dark)
        colours.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(251, 251, 249)", "rgb(20, 23, 26)"]


def test_clips_move_until_they_are_held(browser, path):
    state = "getComputedStyle(document.querySelector('.strip img')).animationPlayState"
    browser.open(path)
    assert browser.run("getComputedStyle(document.querySelector('.strip img')).animationName") == "play"
    assert browser.run(state) == "running"
    browser.run("document.querySelector('.still').click()")
    assert browser.run(state) == "paused"


def test_letters_of_charts_are_legible_on_a_phone(browser, path):
    browser.open(path, width=375)
    smallest = browser.run(
        "Math.min(...[...document.querySelectorAll('figure > svg text')]"
        ".filter(each => each.getBoundingClientRect().height).map(each => each.getBoundingClientRect()"
        ".height / (each.getAttribute('transform') ? 2 : 1)))"
    )
    assert smallest > 9
