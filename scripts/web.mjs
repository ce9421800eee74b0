/** Builds the pages of web/ into dist/pages: type check, bundle, the API reference's own files, and a gzip copy of each. */
import { build as bundle } from "esbuild";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { constants, gzipSync } from "node:zlib";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "dist", "pages");

/** Files served as they are: name in dist/pages, source below the root. */
const COPIES = {
  "index.html": "web/index.html",
  "docs.html": "web/docs.html",
  "icon.svg": "web/icon.svg",
  "swagger-ui.js": "node_modules/swagger-ui-dist/swagger-ui-bundle.js",
  "swagger-ui.css": "node_modules/swagger-ui-dist/swagger-ui.css",
  "swagger-ui.LICENSE.txt": "node_modules/swagger-ui-dist/LICENSE",
};

/** @throws Error after the compiler or the bundler has printed what is wrong */
export async function buildWeb() {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "web"], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("The pages do not compile.");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await bundle({
    absWorkingDir: root,
    entryPoints: { playground: "web/main.tsx", docs: "web/docs.ts" },
    outdir: "dist/pages",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "eof",
    logLevel: "warning",
  });
  for (const [name, source] of Object.entries(COPIES)) copyFileSync(join(root, source), join(out, name));
  // A link to a source map that is not served would be a 404 in every developer console.
  const reference = join(out, "swagger-ui.js");
  writeFileSync(reference, readFileSync(reference, "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));
  const styles = join(out, "swagger-ui.css");
  writeFileSync(styles, readFileSync(styles, "utf8").replace(/\n?\/\*# sourceMappingURL=.*\*\/\s*$/, "\n"));
  for (const name of [...Object.keys(COPIES), "playground.js", "playground.css", "docs.js", "docs.css"]) {
    const path = join(out, name);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION }));
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await buildWeb();
