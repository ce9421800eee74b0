/** The pages in a real browser. `SHOTS=folder` keeps a picture of each state. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Result } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { parseKeys } from "../../src/access/keys.js";
import { startFake, type FakeService } from "../fixtures/fake-service.js";
import { openBrowser, openPage } from "./browser.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const QUESTION = "How can I be a good geologist?";
const LINK = `/#text=${encodeURIComponent(QUESTION)}&seed=7&n=3`;

/** Faults that axe calls serious or critical, WCAG 2.2 A and AA and its own best practices. */
async function seriousFaults(page: Page): Promise<string[]> {
  // Evaluated by the debugger: the page's own policy would not let the script in.
  await page.evaluate(AXE);
  const violations = (await page.evaluate("axe.run()")) as { violations: Result[] };
  return violations.violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env["SHOTS"];
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

const title = (page: Page) => page.locator("#stage-title").textContent();
const done = (page: Page) => page.waitForSelector(".timings");

describe("the playground", () => {
  let service: FakeService;
  let browser: Browser;
  before(async () => {
    [service, browser] = await Promise.all([startFake({}, { worker: new URL("../fixtures/sharpening-worker.js", import.meta.url) }), openBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await service?.close();
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`idle, sharpening, compare, in ${colorScheme}: no complaint, no other host, no serious fault of access`, async () => {
      const { page, complaints, hosts } = await openPage(browser, { colorScheme });
      await page.goto(`${service.url}/`);
      await page.waitForSelector(".badge.ready");
      assert.deepEqual(await seriousFaults(page), []);
      await shoot(page, `idle-${colorScheme}`);

      await page.goto(service.url + LINK);
      await page.click("button[type=submit]");
      await page.locator("#stage-title", { hasText: /Step [6-9] of/ }).waitFor();
      await shoot(page, `sharpening-${colorScheme}`);
      await done(page);
      assert.deepEqual(await seriousFaults(page), []);
      await page.locator(".scrub input").press("Home");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      assert.match((await title(page))!, /^Step 3 of 12$/);
      // Words fade in; the colours are those of a page at rest.
      await page.waitForTimeout(500);
      assert.deepEqual(await seriousFaults(page), []);
      await page.locator(".scrub input").press("End");
      await page.waitForTimeout(500);
      await shoot(page, `compare-${colorScheme}`);
      assert.deepEqual(complaints, []);
      assert.deepEqual([...hosts], [new URL(service.url).host]);
    });
  }

  test("a phone: nothing is wider than the screen, and the result comes into view", async () => {
    const { page, complaints } = await openPage(browser, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
    await page.goto(service.url + LINK);
    await page.waitForSelector(".badge.ready");
    await page.tap("button[type=submit]");
    await done(page);
    assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360);
    assert.ok(Number(await page.evaluate("scrollY")) > 300);
    assert.deepEqual(await seriousFaults(page), []);
    await shoot(page, "compare-phone");
    assert.deepEqual(complaints, []);
  });

  test("by keyboard alone: write, run, choose a candidate, keep the seed", async () => {
    const { page } = await openPage(browser, { reducedMotion: "reduce" });
    await page.goto(`${service.url}/`);
    await page.waitForSelector(".badge.ready");
    const focused = () => page.evaluate("document.activeElement.textContent || document.activeElement.tagName") as Promise<string>;
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Skip to the result");
    for (let tabs = 0; (await focused()) !== "TEXTAREA" && !/geologist/.test(await focused()); tabs += 1) {
      assert.ok(tabs < 20);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Control+A");
    await page.keyboard.type(QUESTION);
    await page.keyboard.press("Control+Enter");
    await done(page);
    assert.match((await page.locator("[role=status]").last().textContent())!, /^Done\. What should I do to become a good geologist\?$/);
    await page.locator(".pick").nth(1).focus();
    await page.keyboard.press("Enter");
    assert.match((await page.locator(".sentence .hidden").textContent())!, /great geologist/);
    await page.getByRole("button", { name: "Keep the seed" }).press("Enter");
    // The address follows the form after it is drawn, so it may lag behind the key by a frame.
    await page.waitForURL(/[#&]seed=\d+/);
    const seed = await page.getByLabel("Seed", { exact: true }).inputValue();
    assert.equal(new URLSearchParams((await page.evaluate<string>("location.hash")).slice(1)).get("seed"), seed);
  });

  test("a link brings the same form, and the code shown is the request that was run", async () => {
    const { page } = await openPage(browser);
    await page.goto(service.url + LINK);
    await page.waitForSelector(".badge.ready");
    assert.equal(await page.getByLabel("Your text").inputValue(), QUESTION);
    await page.click("button[type=submit]");
    await done(page);
    assert.equal(await page.locator("#snippet").textContent(), `curl -s ${service.url}/paraphrase \\\n  -H 'content-type: application/json' \\\n  -d '{"text":"${QUESTION}","num_candidates":3,"seed":7}'`);
    assert.deepEqual(await page.locator(".candidates ins").allTextContents(), ["What should", "do to become", "do", "become", "great"]);
    assert.equal(await page.locator(".flag").textContent(), "a copy of the source");
  });

  test("the rare settings: folded, in the link and in the code, and what is wrong with one is said there", async () => {
    const { page } = await openPage(browser);
    await page.goto(service.url + LINK);
    await page.waitForSelector(".badge.ready");
    const grid = page.getByLabel("Grid", { exact: true });
    assert.equal(await grid.isVisible(), false);
    await page.getByText("More settings").click();
    await grid.selectOption("logsnr");
    await page.getByLabel("Clamped steps").fill("2");
    await page.getByLabel("Ranking").selectOption("confidence");
    await page.getByLabel("Canvas").selectOption("32");
    await page.getByLabel("Overlong text").selectOption("end");
    assert.deepEqual(await seriousFaults(page), []);
    await shoot(page, "rare-light");
    const body = '"grid":"logsnr","clamp_steps":2,"ranking":"confidence","canvas":32,"truncation":"end"';
    assert.ok((await page.locator("#snippet").textContent())!.includes(body));
    const link = page.url();
    // Another page, not the same one with another hash.
    const other = await openPage(browser);
    await other.page.goto(`${link.replace("canvas=32", "canvas=17")}`);
    await other.page.waitForSelector(".badge.ready");
    assert.equal(await other.page.getByLabel("Ranking").inputValue(), "confidence");
    await other.page.click("button[type=submit]");
    await other.page.waitForSelector(".problem");
    assert.match((await other.page.locator(".rare .fault").textContent())!, /16, 32/);
    await page.click("button[type=submit]");
    await done(page);
    assert.match((await page.locator(".used").textContent())!, /2 clamped/);
  });

  test("stop ends the request, and what went wrong is said at its field", async () => {
    const { page } = await openPage(browser);
    await page.goto(service.url + LINK);
    await page.waitForSelector(".badge.ready");
    await page.click("button[type=submit]");
    await page.locator("#stage-title", { hasText: /^Step/ }).waitFor();
    await page.keyboard.press("Escape");
    assert.match((await title(page))!, /stopped$/);
    await page.getByLabel("Your text").fill("too-long text");
    await page.click("button[type=submit]");
    await page.waitForSelector(".problem");
    assert.equal(await page.locator(".field .fault").textContent(), "has 99 tokens, 64 are read");
    assert.equal(await page.getByLabel("Your text").getAttribute("aria-invalid"), "true");
    assert.deepEqual(await seriousFaults(page), []);
    await shoot(page, "problem-light");
  });
});

describe("the API reference", () => {
  test("shows every operation of the contract under the page's policy, and tries one out", async (t) => {
    const [service, browser] = await Promise.all([startFake(), openBrowser()]);
    t.after(() => Promise.all([browser.close(), service.close()]));
    const { page, complaints, hosts } = await openPage(browser);
    await page.goto(`${service.url}/docs`);
    await page.waitForSelector("#operations-generation-paraphrase");
    await shoot(page, "docs");
    await page.click("#operations-operation-ready button");
    await page.click("#operations-operation-ready .execute");
    await page.waitForSelector("#operations-operation-ready .live-responses-table");
    assert.match((await page.locator("#operations-operation-ready .live-responses-table").textContent())!, /"status": "ready"/);
    assert.deepEqual(complaints, []);
    assert.deepEqual([...hosts], [new URL(service.url).host]);
  });
});

describe("a server with API keys", () => {
  test("the playground asks for one, keeps it to itself, and then works; a wrong one is said", async (t) => {
    const key = "the-key-of-this-server-alone";
    const [service, browser] = await Promise.all([startFake({ apiKeys: parseKeys(`page:${key}`) }), openBrowser()]);
    t.after(() => Promise.all([browser.close(), service.close()]));
    const { page, hosts } = await openPage(browser);
    await page.goto(service.url + LINK);
    await page.getByLabel(/asks for an API key/).fill("not-the-key-of-this-server");
    await page.click(".unlock button");
    await page.waitForSelector(".unlock [role=alert]");
    assert.deepEqual(await seriousFaults(page), []);
    await page.getByLabel(/asks for an API key/).fill(key);
    await page.click(".unlock button");
    await page.waitForSelector(".badge.ready");
    assert.equal(await page.locator(".unlock").count(), 0);
    await page.click("button[type=submit]");
    await done(page);
    const kept = (await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])")) as string;
    assert.ok(!kept.includes(key));
    assert.deepEqual([...hosts], [new URL(service.url).host]);
  });
});
