import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { ERRORS, isErrorCode } from "../../src/errors.js";
import { projectPath } from "../../src/project.js";

type Node = Record<string, unknown>;

interface ResponseNode {
  "x-error-codes"?: string[];
  headers?: Record<string, { required?: boolean; schema: Node }>;
  content?: Record<string, { schema: Node }>;
}

const METHODS = ["get", "post", "put", "patch", "delete", "options", "head"];
export const document = parse(readFileSync(projectPath("openapi.yaml"), "utf8")) as Node;
const ajv = new Ajv2020({ strict: false, allErrors: true });
// As a schema the document has only keywords that ajv does not know; it is there for the pointers into it.
ajv.addSchema(document, "openapi");

/** What a `$ref` of the document points to. */
function follow(node: Node): Node {
  const ref = node["$ref"];
  if (typeof ref !== "string") return node;
  const found = ref.replace(/^#\//, "").split("/").reduce<unknown>((at, part) => (at as Node | undefined)?.[part], document);
  assert.ok(found, `${ref} points nowhere`);
  return follow(found as Node);
}

/** A validator of a schema of the document. */
export function validator(schema: Node): ValidateFunction {
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"openapi#/')) as Node;
  return ajv.compile(absolute);
}

export const requestSchema = validator({ $ref: "#/components/schemas/GenerateRequest" });

const paths = document["paths"] as Record<string, Node>;

/** "post /paraphrase" and so on, as documented. */
export function documentedOperations(): string[] {
  return Object.entries(paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => `${method} ${path}`));
}

/** Every reply the document promises: "post /paraphrase 503 queue_full", "other /info 405 …", "other * 404 …", "other * 401 …". */
export function documentedReplies(): string[] {
  const codes = (node: Node) => (follow(node) as ResponseNode)["x-error-codes"] ?? ["-"];
  const replies = documentedOperations().flatMap((operation) => {
    const [method, path] = operation.split(" ") as [string, string];
    const responses = (paths[path]![method] as Node)["responses"] as Record<string, Node>;
    return Object.entries(responses).flatMap(([status, node]) => codes(node).map((code) => `${operation} ${status} ${code}`));
  });
  const others = Object.entries(paths).flatMap(([path, item]) => codes(item["x-other-methods"] as Node).map((code) => `other ${path} 405 ${code}`));
  const anywhere = [["x-other-paths", 404], ["x-without-key", 401]] as const;
  return [...replies, ...others, ...anywhere.flatMap(([name, status]) => codes(document[name] as Node).map((code) => `other * ${status} ${code}`))];
}

/** The documented response of an operation; `other` stands for a method or path that there is not. */
function documentedResponse(method: string, path: string, status: number): ResponseNode {
  if (path === "*") return follow(document[status === 401 ? "x-without-key" : "x-other-paths"] as Node) as ResponseNode;
  const item = paths[path]!;
  if (method === "other") return follow(item["x-other-methods"] as Node) as ResponseNode;
  const node = ((item[method] as Node)["responses"] as Record<string, Node>)[status];
  assert.ok(node, `${method} ${path} answered ${status}, which is not documented`);
  return follow(node) as ResponseNode;
}

/**
 * Holds a reply of the server to the document: status, content type, headers, body, error code.
 * @returns the line of `documentedReplies` that it was
 */
export async function checkReply(method: string, path: string, response: Response): Promise<string> {
  const { status, headers } = response;
  const documented = documentedResponse(method, path, status);
  for (const [name, header] of Object.entries(documented.headers ?? {})) {
    const { required, schema } = follow(header as unknown as Node) as unknown as { required: boolean; schema: Node };
    const value = headers.get(name);
    if (required) assert.notEqual(value, null, `${method} ${path} ${status}: no ${name} header`);
    if (value !== null) assertValid(validator(schema), value, `${method} ${path} ${status}: ${name}`);
  }
  const text = await response.text();
  const types = Object.keys(documented.content ?? {});
  if (types.length === 0) {
    assert.equal(text, "", `${method} ${path} ${status}: a body where none is documented`);
    return `${method} ${path} ${status} -`;
  }
  const type = headers.get("content-type")?.split(";")[0] ?? "";
  assert.ok(types.includes(type), `${method} ${path} ${status}: ${type} is not documented`);
  const body: unknown = type.endsWith("json") ? JSON.parse(text) : type.endsWith("yaml") ? parse(text) : text;
  assertValid(validator(documented.content![type]!.schema), body, `${method} ${path} ${status}`);
  if (type !== "application/problem+json") return `${method} ${path} ${status} -`;

  const { code, title, type: uri, request_id: requestId } = body as Record<string, string>;
  assert.ok(code !== undefined && isErrorCode(code));
  assert.ok(documented["x-error-codes"]?.includes(code), `${method} ${path} ${status}: ${code} is not documented`);
  assert.deepEqual([ERRORS[code].status, ERRORS[code].title, `urn:tdi:error:${code}`], [status, title, uri]);
  assert.equal(requestId, headers.get("x-request-id"));
  return `${method} ${path} ${status} ${code}`;
}

function assertValid(validate: ValidateFunction, value: unknown, what: string): void {
  assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)?.slice(0, 400)}`);
}

/** Every `$ref` of the document with what it points to. */
export function checkReferences(): number {
  let count = 0;
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if (typeof (node as Node)["$ref"] === "string") {
      follow(node as Node);
      count += 1;
    }
    Object.values(node).forEach(walk);
  };
  walk(document);
  return count;
}
