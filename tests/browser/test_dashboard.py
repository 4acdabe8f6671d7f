"""What people do on the pages, in a real browser: with the mouse, by the keyboard, on a phone, in the dark."""

import re
from typing import TYPE_CHECKING, Any, Literal

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.browser.conftest import Site

TOKEN = "a" * 40
EVIL = "<script>window.broken = 1</script>"
PATHS = (
    "/",
    "/jobs",
    "/jobs/nightly-invoices",
    "/jobs/odd",
    "/week",
    "/runs",
    "/runs/1",
    "/queues?pause=mail",
    "/nodes",
    "/generations",
    "/generations/1",
    "/doctor",
    "/jobs/nothing",
)


SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


def badge(page: Page) -> Any:
    return page.locator(".head .badge").first


def test_somebody_logs_in_finds_a_job_pauses_triggers_follows_cancels_and_requeues_it(site: "Site", page: Page) -> None:
    page.goto(f"{site.base}/jobs?search=invoices")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="nightly-invoices").click()

    page.get_by_label("Reason").fill("the bank is closed")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("by web-admin@127.0.0.1: the bank is closed")).to_be_visible()
    page.get_by_role("region", name="Resume it").get_by_label("Why").fill("it is open again")
    page.get_by_role("button", name="Resume for this reason").click()
    expect(page.get_by_text("Resumed: its slots are fired again")).to_be_visible()

    page.get_by_role("button", name="Trigger now").click()
    expect(page.locator("pre.log")).to_contain_text("first line")
    page.evaluate("window.same = true")
    site.go.set()
    expect(page.locator("pre.log")).to_contain_text("second line")
    expect(page.locator("progress")).to_have_attribute("value", "50")
    assert page.evaluate("window.same"), "what is followed live is not loaded anew as a whole"
    expect(page.locator(".c-green")).to_have_text("first line")

    page.get_by_role("button", name="Cancel").click()
    expect(badge(page)).to_have_text("cancelled")
    page.get_by_role("button", name="Requeue").click()
    expect(page.get_by_text("it runs again under the same number")).to_be_visible()
    expect(badge(page)).to_have_text(re.compile("pending|running"))

    page.get_by_role("searchbox", name="Search the log").fill("SECOND")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("mark").last).to_have_text("second")
    expect(page.locator("pre.log")).not_to_contain_text("first line")


def test_nothing_that_jobs_and_runs_say_becomes_part_of_a_page(open_site: "Site", page: Page) -> None:
    run = open_site.client.trigger("odd").id
    open_site.client.wait(run)
    open_site.client.pause("odd", reason=EVIL)

    for path in (
        "/",
        "/jobs",
        "/jobs/odd",
        f"/runs/{run}",
        "/queues",
        f"/jobs?search={EVIL}",
        f"/runs/{run}?find={EVIL}",
    ):
        page.goto(open_site.base + path)
        expect(page.locator("main").first).to_be_visible()
        assert page.evaluate("window.broken") is None
        assert page.locator("script").count() == 1
    expect(page.locator("pre.log mark").first).to_have_text(EVIL)
    expect(page.locator(".c-red").first).to_have_text(EVIL)


def test_all_of_it_can_be_done_by_the_keyboard_alone(open_site: "Site", page: Page) -> None:
    open_site.go.set()
    page.goto(open_site.base)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    follow(page, "Jobs")
    walk_to(page, "input[name=search]")
    page.keyboard.type("invoices")
    with page.expect_navigation(url=re.compile("search=invoices")):
        page.keyboard.press("Enter")
    follow(page, "nightly-invoices")
    follow(page, "Trigger now")
    expect(page.get_by_role("heading", name=re.compile("Run \\d+"))).to_be_visible()
    follow(page, "Cancel")
    expect(badge(page)).to_have_text("cancelled")


def follow(page: Page, text: str) -> None:
    """Walk to a link or a button by its text, see that the focus is shown, and press it."""
    walk_to(page, "a, button", text)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with page.expect_navigation():
        page.keyboard.press("Enter")


def walk_to(page: Page, selector: str, text: str = "") -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(
            "([wanted, text]) => document.activeElement.matches(wanted) && document.activeElement.textContent.trim().startsWith(text)",
            [selector, text],
        ):
            return
    raise AssertionError(f"no Tab leads to {text or selector}")


#: What is shown too faintly: text and its contrast, where WCAG 2 AA asks for more.
FAINT = """
() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const light = (c) => { const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const ground = (part) => { for (; part; part = part.parentElement) {
    const c = parse(getComputedStyle(part).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), part = walker.currentNode.parentElement;
    const style = getComputedStyle(part), size = parseFloat(style.fontSize);
    if (!text || size === 0 || part.closest("svg, datalist, script, .skip") || !part.getClientRects().length) continue;
    const [a, b] = [light(parse(style.color)), light(ground(part))].sort((x, y) => y - x);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.push(`${text.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return [...new Set(found)];
}
"""


def test_every_page_can_be_read_on_a_phone_and_on_a_desk_in_the_light_and_in_the_dark(
    open_site: "Site", page: Page
) -> None:
    open_site.client.wait(open_site.client.trigger("odd").id)
    open_site.client.pause("send", reason="x" * 300)
    grounds: dict[str, set[str]] = {"light": set(), "dark": set()}

    for path in PATHS:
        page.set_viewport_size({"width": 375, "height": 812})
        answer = page.goto(open_site.base + path, wait_until="load")
        assert answer is not None
        assert answer.status < 500
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, f"{path} scrolls sideways"
        for width in (375, 1280):
            page.set_viewport_size({"width": width, "height": 812})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                assert page.evaluate(FAINT) == [], f"{path} in the {scheme}, {width} pixels wide"
                grounds[scheme].add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"light": {"rgb(245, 246, 249)"}, "dark": {"rgb(15, 19, 26)"}}


def test_without_javascript_a_page_says_the_same_and_its_forms_work(open_site: "Site", browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{open_site.base}/queues")
    page.get_by_role("link", name="Pause queue mail").click()
    page.locator("#pause + form").get_by_label("Reason").fill("moving")
    page.locator("#pause + form").get_by_role("button").click()

    [pause] = open_site.client.pauses()
    assert (pause.name, pause.reason) == ("mail", "moving")
    assert page.get_by_role("button", name="Resume queue mail").is_visible()
    context.close()
