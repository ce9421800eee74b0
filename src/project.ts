import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Absolute path of a file of this package; compiled files lie two folders deep, in dist/src. */
export function projectPath(relative: string): string {
  return fileURLToPath(new URL(`../../${relative}`, import.meta.url));
}

const manifest = JSON.parse(readFileSync(projectPath("package.json"), "utf8")) as { name: string; version: string };

export const NAME = manifest.name;
export const VERSION = manifest.version;
