/** The Helm chart through Helm itself and the schemas of every kind in it; the compose file through that of compose files. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import { parse, parseAllDocuments } from "yaml";
import { projectPath } from "../../src/project.js";

interface Resource {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Record<string, string> };
  spec: Record<string, unknown>;
}

interface Schemas {
  moduleOf(apiVersion: string): string;
  validate(resource: Resource): Promise<void>;
  composeSchema: object;
}

const TOOLS = projectPath(".ci/tools");
const CHART = projectPath("deploy/helm/tdi");
const RULES = projectPath("deploy/prometheus/rules.yaml");
const { moduleOf, validate, composeSchema } = (await import(pathToFileURL(join(TOOLS, "schemas.mjs")).href)) as Schemas;

/** Values that switch on, between them, everything that the chart can have. */
const VALUES: Record<string, object> = {
  "the defaults": {},
  "KEDA, GPUs, a volume of models and all of monitoring": {
    image: { repository: "registry.example/tdi", digest: `sha256:${"0".repeat(64)}` },
    imagePullSecrets: [{ name: "pull" }],
    env: { TDI_MAX_QUEUED_ROWS: "512", TDI_DEVICE: "cuda" },
    otlpEndpoint: "http://collector:4318",
    models: { existingClaim: "bundles" },
    gpu: { count: 1 },
    autoscaling: { kind: "keda", maxReplicas: 20 },
    service: { type: "LoadBalancer" },
    serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
    prometheusRule: { enabled: true, rules: readFileSync(RULES, "utf8") },
    networkPolicy: { from: [{ namespaceSelector: { matchLabels: { name: "web" } } }] },
    nodeSelector: { disktype: "ssd" },
    tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }] } } },
    podAnnotations: { "example.org/team": "text" },
  },
  "an HPA, without budget and policy": { autoscaling: { kind: "hpa" }, podDisruptionBudget: { enabled: false }, networkPolicy: { enabled: false } },
};

const folder = mkdtempSync(join(TOOLS, ".deploy-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function helm(args: string[], values: object = {}): { status: number | null; output: string; errors: string } {
  const file = join(folder, "values.json");
  writeFileSync(file, JSON.stringify(values));
  const { status, stdout, stderr } = spawnSync(join(TOOLS, "helm/helm"), [...args, "--values", file], { encoding: "utf8", env: { ...process.env, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder } });
  return { status, output: stdout, errors: stderr };
}

function render(values: object): Resource[] {
  const { status, output, errors } = helm(["template", "demo", CHART, "--namespace", "text"], values);
  assert.equal(status, 0, errors);
  return parseAllDocuments(output).map((document) => document.toJS() as Resource | null).filter((document) => document !== null);
}

/** What the TypeScript compiler says of resources as literals of their types: it knows every field there is. */
function unknownFields(resources: readonly Resource[]): string {
  const files = resources.map((resource, at) => {
    const file = join(folder, `resource-${at}.mts`);
    writeFileSync(file, `import type { I${resource.kind} } from ${JSON.stringify(moduleOf(resource.apiVersion))};\nexport const resource: I${resource.kind} = ${JSON.stringify(resource, undefined, 1)};\n`);
    return file;
  });
  const tsc = projectPath("node_modules/typescript/bin/tsc");
  return spawnSync(process.execPath, [tsc, "--noEmit", "--strict", "--skipLibCheck", "--ignoreConfig", "--module", "nodenext", "--types", "", ...files], { encoding: "utf8", cwd: folder }).stdout;
}

describe("the Helm chart", () => {
  for (const [name, values] of Object.entries(VALUES)) {
    test(`with ${name}: lints, and every resource fits its schema`, async () => {
      const lint = helm(["lint", "--strict", CHART], values);
      assert.equal(lint.status, 0, lint.output + lint.errors);
      const resources = render(values);
      for (const resource of resources) await validate(resource).catch((error: Error) => assert.fail(`${resource.kind}: ${error.message}`));
      assert.equal(unknownFields(resources), "");
    });
  }

  test("has between them every template's kind, and what refers to another finds it", () => {
    const all = Object.values(VALUES).map(render);
    assert.deepEqual([...new Set(all.flat().map(({ kind }) => kind))].sort(), ["Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "PrometheusRule", "ScaledObject", "Service", "ServiceMonitor"]);
    for (const resources of all) {
      const of = (kind: string) => resources.find((resource) => resource.kind === kind)?.spec as Record<string, any>;
      const { template, selector } = of("Deployment");
      const [container] = template.spec.containers;
      const has = (labels: Record<string, string>, wanted: Record<string, string>) => Object.entries(wanted).every(([key, value]) => labels[key] === value);
      assert.ok(has(template.metadata.labels, selector.matchLabels));
      assert.ok(has(template.metadata.labels, of("Service").selector));
      for (const kind of ["PodDisruptionBudget", "NetworkPolicy"]) if (of(kind)) assert.ok(has(template.metadata.labels, (of(kind).selector ?? of(kind).podSelector).matchLabels));
      if (of("ServiceMonitor")) assert.ok(has(resources.find(({ kind }) => kind === "Service")!.metadata.labels, of("ServiceMonitor").selector.matchLabels));
      const paths = Object.keys((parse(readFileSync(projectPath("openapi.yaml"), "utf8")) as { paths: object }).paths);
      for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) assert.ok(paths.includes(container[probe].httpGet.path) && container.ports.some(({ name }: { name: string }) => name === container[probe].httpGet.port));
      const graceful = ["TDI_GRACE_MS", "TDI_DRAIN_MS"].reduce((sum, wanted) => sum + Number(container.env.find(({ name }: { name: string }) => name === wanted).value), 0);
      assert.ok(1000 * template.spec.terminationGracePeriodSeconds > graceful);
      assert.equal(of("Deployment").replicas === undefined, of("ScaledObject") !== undefined || of("HorizontalPodAutoscaler") !== undefined);
    }
    const rules = all[1]!.find(({ kind }) => kind === "PrometheusRule")!.spec;
    assert.deepEqual(rules, parse(readFileSync(RULES, "utf8")));
  });

  test("refuses values that it does not know", () => {
    for (const [values, message] of [[{ replica: 3 }, /replica/], [{ autoscaling: { kind: "magic" } }, /autoscaling/], [{ replicas: "many" }, /replicas/]] as const) {
      const { status, errors } = helm(["template", "demo", CHART], values);
      assert.notEqual(status, 0);
      assert.match(errors, message);
    }
  });

  test("these checks find a misspelt field, a wrong type and a kind that does not exist", async () => {
    const [deployment] = render({}).filter(({ kind }) => kind === "Deployment");
    const misspelt = structuredClone(deployment!) as any;
    misspelt.spec.template.spec.containers[0].redinessProbe = {};
    assert.match(unknownFields([misspelt]), /redinessProbe/);
    await assert.rejects(validate({ ...deployment!, spec: { ...deployment!.spec, replicas: "2" } }), /replicas must be integer/);
    await assert.rejects(validate({ ...deployment!, kind: "Deploiment" }), /no kind Deploiment/);
  });
});

describe("the compose file", () => {
  const path = projectPath("deploy/compose.yaml");
  const compose = parse(readFileSync(path, "utf8")) as { services: Record<string, { build?: string; volumes?: string[]; depends_on?: string[] }>; volumes: object };
  const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false });
  const fits = ajv.compile(composeSchema);

  test("fits the schema, which refuses a misspelt field", () => {
    assert.ok(fits(compose), ajv.errorsText(fits.errors));
    assert.ok(!fits({ ...compose, services: { tdi: { ...compose.services["tdi"], readonly: true } } }));
  });

  test("what it builds, mounts and waits for is there", () => {
    for (const [name, { build, volumes = [], depends_on: others = [] }] of Object.entries(compose.services)) {
      if (build) assert.ok(existsSync(resolve(path, "..", build, "Dockerfile")));
      for (const volume of volumes) {
        const [from] = volume.split(":") as [string];
        assert.ok(from.startsWith(".") ? existsSync(resolve(path, "..", from)) : Object.hasOwn(compose.volumes, from), `${name}: ${volume}`);
      }
      for (const other of others) assert.ok(Object.hasOwn(compose.services, other), `${name}: ${other}`);
    }
  });

  test("its Prometheus configuration is valid, rules included", () => {
    // Paths are those in the container.
    const config = readFileSync(projectPath("deploy/prometheus/prometheus.yaml"), "utf8").replaceAll("/etc/prometheus/rules.yaml", RULES);
    const file = join(folder, "prometheus.yaml");
    writeFileSync(file, config);
    assert.match(execFileSync("promtool", ["check", "config", file], { encoding: "utf8" }), /SUCCESS/);
  });
});
