import { existsSync } from "node:fs";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** Where Debian and Ubuntu put it; another place is told by CHROMIUM. */
const PLACES = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function openBrowser(): Promise<Browser> {
  const executablePath = PLACES.find((path) => path !== undefined && existsSync(path));
  if (!executablePath) throw new Error("No Chromium found; install it (apt-get install chromium) or set CHROMIUM to its path.");
  // As root, as in a container of a CI, Chromium's own sandbox cannot start; the only pages it opens are this project's.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

export interface WatchedPage {
  page: Page;
  /** What the page complained of: errors, warnings, blocked and failed loads. */
  complaints: string[];
  /** Hosts that anything was asked of. */
  hosts: Set<string>;
}

/** A page in a context of its own, with everything noted that a visitor's developer tools would show in red or yellow. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })).newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  // The page lets go of a stream once it has the result; whether the browser calls that an abort depends on which end is first.
  page.on("requestfailed", (request) => request.failure()?.errorText !== "net::ERR_ABORTED" && complaints.push(`failed: ${request.url()}`));
  page.on("request", (request) => request.url().startsWith("data:") || hosts.add(new URL(request.url()).host));
  return { page, complaints, hosts };
}
