/** `npm run licences`: name, version and licence of every package that the server needs, from the lock file. */
import { readFileSync } from "node:fs";

const { packages } = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
for (const [path, { version, license, dev }] of Object.entries(packages)) {
  if (path !== "" && !dev) console.log(`${path.replace(/^.*node_modules\//, "")} ${version} ${license}`);
}
