/** Writes src/client/types.ts, the types of the client, from the schemas of openapi.yaml. A test holds the two together. */
import { compile } from "json-schema-to-typescript";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parse } from "yaml";

const root = new URL("..", import.meta.url);

/** The text of src/client/types.ts. */
export async function clientTypes() {
  const { schemas } = parse(readFileSync(new URL("openapi.yaml", root), "utf8")).components;
  const $defs = JSON.parse(JSON.stringify(schemas).replaceAll("#/components/schemas/", "#/$defs/"));
  const names = Object.keys($defs);
  const schema = {
    description: "Every schema of the contract by its name.",
    type: "object",
    additionalProperties: false,
    required: names,
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }])),
    $defs,
  };
  return compile(schema, "Schemas", {
    bannerComment: "/* Made from openapi.yaml by `npm run client-types`; not edited by hand. */",
    ignoreMinAndMaxItems: true,
    additionalProperties: false,
    style: { printWidth: 160 },
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(fileURLToPath(new URL("src/client/types.ts", root)), await clientTypes());
}
