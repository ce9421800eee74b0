/** Runs a compiled program of this project: node scripts/tool.mjs bench/simulate [flags]. Installs and builds when needed. */
import { setUp } from "./setup.mjs";

const [program, ...flags] = process.argv.slice(2);
process.argv.splice(2, Infinity, ...flags);
await setUp();
await import(`../dist/${program}.js`);
