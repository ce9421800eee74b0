/** `npm run conformance -- DIR`: installs and builds when needed, then checks the server's code against recorded vectors. */
import { setUp } from "./setup.mjs";

await setUp();
process.env.ORT_DISABLE_TELEMETRY = "1";
await import("../dist/src/conformance/main.js");
