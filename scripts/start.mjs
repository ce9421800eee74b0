/** `npm start -- [flags]`: installs and builds when needed, then is the server. */
import { setUp } from "./setup.mjs";

await setUp();
// In this process, not in a child: signals and the exit code are then the server's own.
await import("../dist/src/main.js");
