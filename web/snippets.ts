/** The request as code that can be run elsewhere. No DOM, so it is tested in Node.js. */
import type { GenerateRequest } from "../src/client/types.js";
import type { Task } from "./settings.js";

/** A word of a POSIX shell that stands for the text as it is. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function curl(origin: string, task: Task, request: GenerateRequest): string {
  return [`curl -s ${origin}/${task}`, "-H 'content-type: application/json'", `-d ${shellQuoted(JSON.stringify(request))}`].join(" \\\n  ");
}

export function typescript(origin: string, task: Task, request: GenerateRequest): string {
  const body = JSON.stringify(request, null, 2).replace(/^( *)"(\w+)":/gm, "$1$2:");
  return [
    'import { createClient } from "text-diffusion-inference/client";',
    "",
    `const client = createClient({ baseUrl: ${JSON.stringify(origin)} });`,
    `const reply = await client.${task}(${body});`,
    "console.log(reply.results[0].text);",
  ].join("\n");
}
