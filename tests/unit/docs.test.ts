import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { settings } from "../../src/config.js";
import { projectPath } from "../../src/project.js";

const read = (path: string) => readFileSync(projectPath(path), "utf8");
const PAGES = readdirSync(projectPath("docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);

/** The anchor that GitHub makes of a heading. */
const anchor = (heading: string) => heading.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-");
const anchorsOf = (path: string) => Array.from(read(path).matchAll(/^#+ (.+)$/gm), ([, heading]) => anchor(heading!));

describe("the documents", () => {
  test("configuration and troubleshooting follow from the code", async () => {
    const { pages } = (await import(pathToFileURL(projectPath("scripts/docs.mjs")).href)) as { pages: () => Promise<Record<string, string>> };
    for (const [name, text] of Object.entries(await pages())) assert.equal(read(`docs/${name}`), text, "run npm run docs");
  });

  test("every link leads somewhere", () => {
    let links = 0;
    for (const page of PAGES) {
      for (const [, target] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target!)) continue;
        const [path, fragment] = target!.split("#") as [string, string | undefined];
        const file = path === "" ? page : relative(projectPath("."), join(dirname(projectPath(page)), path));
        assert.ok(existsSync(projectPath(file)), `${page}: ${target}`);
        if (fragment) assert.ok(anchorsOf(file).includes(fragment), `${page}: ${target}`);
        links += 1;
      }
    }
    assert.ok(links > 30);
  });

  test("every alert has its runbook", () => {
    const { groups } = parse(read("deploy/prometheus/rules.yaml")) as { groups: { rules: { alert?: string; annotations?: { runbook: string } }[] }[] };
    const alerts = groups.flatMap(({ rules }) => rules).filter((rule) => rule.alert !== undefined);
    assert.equal(alerts.length, 9);
    for (const { alert, annotations } of alerts) {
      assert.equal(annotations!.runbook, `docs/operations.md#${alert!.toLowerCase()}`);
      assert.ok(anchorsOf("docs/operations.md").includes(alert!.toLowerCase()), alert);
    }
  });

  test("every setting that a document or a deployment names is one", () => {
    const known = new Set(settings().flatMap(({ flag, env }) => [flag, env]));
    const files = [...PAGES, "Dockerfile", "deploy/compose.yaml", "deploy/helm/tdi/values.yaml", "deploy/helm/tdi/templates/deployment.yaml"];
    let named = 0;
    for (const file of files) {
      const notServer = new Set(["TDI_URL", "TDI_API_KEY"]);
      for (const [name] of read(file).matchAll(/\bTDI_[A-Z_]+\b/g)) {
        assert.ok(known.has(name) || notServer.has(name), `${file}: ${name}`);
        named += 1;
      }
    }
    for (const [, flag] of read("docs/operations.md").matchAll(/`(--[a-z-]+)`/g)) assert.ok(known.has(flag!), flag);
    assert.ok(named > 20);
  });
});
