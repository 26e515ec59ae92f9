import { cp, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { type AppProcess, startApp } from "../helpers/app-process.ts";
import { useDatabase } from "../helpers/database.ts";
import { journalOf, THREE } from "../helpers/history.ts";

let browser: Browser;
const database = useDatabase();
let root: string;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Chromium has no sandbox for root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ["--disable-gpu", "--disable-quic", "--disable-sync"],
  });
});
afterAll(() => browser.close());

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-page-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Starts the application with these migrations; without them, with the project's own. */
async function start(
  migrations?: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<AppProcess> {
  if (migrations === undefined) {
    await cp("drizzle", join(root, "drizzle"), { recursive: true });
  } else {
    await mkdir(join(root, "drizzle/meta"), { recursive: true });
    for (const [tag, sql] of Object.entries(migrations)) {
      await writeFile(join(root, "drizzle", `${tag}.sql`), sql);
    }
    await writeFile(join(root, "drizzle/meta/_journal.json"), journalOf(Object.keys(migrations)));
  }
  const ours = { DATABASE_URL: database.url, FAILURE_LINGER_SECONDS: "60" };
  const app = startApp(root, { ...ours, ...env });
  onTestFinished(() => {
    app.child.kill("SIGKILL");
  });
  return app;
}

/** Opens the page; whatever the browser complains about fails the test. */
async function open(app: AppProcess, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("response", (response) => {
    if (!response.ok()) complaints.push(`${response.status()} ${response.url()}`);
  });
  onTestFinished(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(await app.url);
  return page;
}

const headline = (page: Page) => page.getByRole("status").innerText();

/** Whether the browser took the one style that the page's policy allows. */
const expectStyled = async (page: Page) =>
  expect(await page.evaluate("getComputedStyle(document.body).maxWidth")).toBe("1088px");

/** By how much the page is wider than the window. */
const overhang = (page: Page) =>
  page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");

test("a page that is ready shows each migration and the latest events", async () => {
  const app = await start();
  await app.isReady();
  const page = await open(app);
  expect(await page.title()).toBe("Tidemark: ready at 0003_add_idempotency_keys_and_snapshots");
  expect(await headline(page)).toBe("ready at 0003_add_idempotency_keys_and_snapshots");
  await expectStyled(page);
  const migrations = page.getByRole("table").first().locator("tbody tr");
  expect(await migrations.locator("td:first-child").allInnerTexts()).toEqual([
    "0000_create_eventstore",
    "0001_create_projections",
    "0002_protect_events",
    "0003_add_idempotency_keys_and_snapshots",
  ]);
  expect(await migrations.locator("td:nth-child(2)").allInnerTexts()).toEqual([
    "DONE",
    "DONE",
    "DONE",
    "DONE",
  ]);
  const events = page.getByRole("table").nth(1).locator("tbody tr");
  expect(await events.locator("td:nth-child(2)").allInnerTexts()).toEqual([
    "done",
    "started",
    "done",
    "started",
    "done",
    "started",
    "done",
    "started",
  ]);
  for (const link of await page.getByRole("link").all()) {
    const response = await page.request.get(`${await app.url}${await link.getAttribute("href")}`);
    expect(response.headers()["content-type"]).toContain("application/json");
    expect(response.status()).toBe(200);
  }
});

test("what everybody may see is the state alone, as a page like the other", async () => {
  const app = await start(undefined, { NODE_ENV: "production", MANAGEMENT_PORT: "0" });
  await app.isReady();
  const page = await open(app);
  expect(await headline(page)).toBe("ready at 0003_add_idempotency_keys_and_snapshots");
  await expectStyled(page);
  expect(await page.getByRole("table").count()).toBe(0);
  for (const link of await page.getByRole("link").all()) {
    const response = await page.request.get(`${await app.url}${await link.getAttribute("href")}`);
    expect(response.status()).toBe(200);
  }
});

test("it fits a telephone: wide tables scroll by themselves, the page does not", async () => {
  const app = await start();
  await app.isReady();
  const page = await open(app, { viewport: { width: 390, height: 844 } });
  expect(await page.getByRole("table").first().isVisible()).toBe(true);
  expect(await overhang(page)).toBe(0);
});

/** WCAG's contrast of each text to the page behind it, as rendered. */
const CONTRASTS = `(() => {
  const luminance = (css) => {
    const [r, g, b] = css.match(/[\\d.]+/g).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = luminance(getComputedStyle(document.body).backgroundColor);
  const texts = [...document.querySelectorAll("h1, h2, p, th, td, footer, a")];
  return {
    page,
    least: Math.min(...texts.map((text) => {
      const own = luminance(getComputedStyle(text).color);
      return (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
    })),
  };
})()`;

test.each(["light", "dark"] as const)(
  "it can be read where the browser is %s",
  async (colorScheme) => {
    const app = await start();
    await app.isReady();
    const page = await open(app, { colorScheme });
    const found = (await page.evaluate(CONTRASTS)) as { page: number; least: number };
    if (colorScheme === "dark") expect(found.page).toBeLessThan(0.05);
    else expect(found.page).toBeGreaterThan(0.9);
    // The bound that WCAG sets for text (AA).
    expect(found.least).toBeGreaterThan(4.5);
  },
);

test("while a migration runs, the page says which, and refreshes itself until it is ready", async () => {
  const app = await start({
    ...THREE,
    "0001_add_author": `select pg_sleep(4); ${THREE["0001_add_author"]}`,
  });
  await expect
    .poll(async () => (await app.readyz()).body.status, { timeout: 20_000 })
    .toBe("migrating");
  const page = await open(app);
  expect(await headline(page)).toMatch(/^migrating: 0001_add_author \(2 of 3, .+\)$/);
  await page.getByText("ready at 0002_first_note").waitFor({ timeout: 20_000 });
  // It stands still from then on, and shows how it ended.
  const states = page.getByRole("table").first().locator("td:nth-child(2)");
  expect(await states.allInnerTexts()).toEqual(["DONE", "DONE", "DONE"]);
  expect(await page.locator("meta[http-equiv=refresh]").count()).toBe(0);
});

test("a failed migration's error is there with its place and what to do, line by line", async () => {
  const app = await start({
    ...THREE,
    "0001_add_author": `alter table notes add column author text;\nalter table missing add column author text;`,
  });
  await expect
    .poll(async () => (await app.readyz()).body.status, { timeout: 20_000 })
    .toBe("failed");
  const page = await open(app, { viewport: { width: 390, height: 844 } });
  expect(await headline(page)).toBe("failed: migration_failed");
  const error = page.locator("pre").first();
  const lines = (await error.innerText()).split("\n");
  expect(lines[0]).toBe(`drizzle/0001_add_author.sql:2:1: relation "missing" does not exist`);
  expect(lines).toContain("2 | alter table missing add column author text;");
  expect(lines.join("\n")).toContain("Next: correct drizzle/0001_add_author.sql");
  expect(await page.locator("meta[http-equiv=refresh]").count()).toBe(0);
  expect(await overhang(page)).toBe(0);
});

test("its picture is a small file", async () => {
  const app = await start();
  await app.isReady();
  const page = await open(app, { viewport: { width: 1200, height: 800 }, colorScheme: "light" });
  const path = process.env.STATUS_PAGE_PICTURE ?? join(root, "status-page.png");
  await page.screenshot({ path });
  expect((await stat(path)).size).toBeLessThan(150_000);
});
