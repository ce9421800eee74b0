/** `npm run -s tdi -- <command>`: installs and builds when needed, then is the command line. */
import { setUp } from "./setup.mjs";

await setUp();
await import("../dist/src/cli.js");
