from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.providers.page_text import MAX_CHARS, page_text, without_markup
from workbench.bridge.spoken import short_form

PAGE = """<!DOCTYPE html><html><head><title>Oyster &amp; shiitake
  mushrooms</title><style>p { color: red }</style><script>var a = "<p>not this at all, it is a script and no text</p>";</script></head>
<body><nav><p>Home, about, contact and five more words of the menu here</p></nav><!-- <p>hidden one two three four five six seven</p> -->
<p>12 May</p><P class="lead" title='a > b'>Oyster mushrooms grow on <b>dead</b> wood &ndash; in <a href="/x?a>b">autumn</a> and winter.</p>
<p>A second paragraph that has nothing to say but says it in full.</p></body></html>"""


def test_title_and_paragraphs_are_plain_text() -> None:
    page = page_text(PAGE)
    assert page.title == "Oyster & shiitake mushrooms"
    assert page.first == "Oyster mushrooms grow on dead wood – in autumn and winter."
    assert len(page.paragraphs) == 3


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("just words", "just words"),
        ("<div>No paragraph here, only a division.</div>", "No paragraph here, only a division."),
        ("<p>unclosed <p>second", "unclosed"),
        ("a < b and 3<4", "a < b and 3<4"),
        ("<p>cut off <a href='x", "cut off"),
        ("<p>said <script>evil()", "said"),
        ("<p>said</p><!-- never closed <p>hidden</p>", "said"),
        ("<p>İstanbul <script>x</SCRIPT>is large</p>", "İstanbul is large"),
        ('<p>one</p><a title="never closed>two', "one"),
        ("", ""),
    ],
)
def test_broken_pages_are_read_as_far_as_they_go(source: str, first: str) -> None:
    assert page_text(source).first == first


@pytest.mark.parametrize(
    "unit", ["<a", "<!--", "<![CDATA[", "<?", "</", '<a b="', "<script>", "<script></scrip", "<", "&#", "<a\"'>", "<p>"]
)
def test_a_page_made_to_be_slow_is_not(unit: str) -> None:
    """Against the length of the page, not against the clock: a parser whose time grows with the square would take 16 times as long."""

    def took_s(length: int) -> float:
        source = (unit * length)[:length]
        began = time.process_time()
        page_text(source)
        return time.process_time() - began

    short, long = MAX_CHARS // 16, MAX_CHARS
    assert min(took_s(long) for _ in range(2)) < 100 * min(took_s(short) for _ in range(3)) + 0.5


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("if a<b and b>c then", "if a<b and b>c then"),
        ("Say <b>seven</b> &amp; go.<script>steal()</script> Now.", "Say seven & go. Now."),
        (f"<a href='https://x.test/{'y' * 2_000}'>the report</a> is there", "the report is there"),
        ("one <p>two</p> three", "one two three"),
        ("<script>all()</script>", ""),
    ],
)
def test_markup_in_an_answer_is_not_said(text: str, plain: str) -> None:
    assert without_markup(text) == plain
    assert short_form(without_markup(text)).replace("  ", " ") == short_form(plain)


@given(st.text(alphabet=st.sampled_from(list("<>/!-?\"'=& apscriptİx\n")), max_size=200))
def test_no_page_breaks_it_and_no_tag_comes_through(source: str) -> None:
    page = page_text(source)
    assert "<script" not in page.title.lower()
    assert all(text == " ".join(text.split()) and text for text in page.paragraphs)
