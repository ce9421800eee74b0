import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { KeyRing } from "./access/key-ring.js";
import { availableMemory, ConfigError, type Config, usualEngines } from "./config.js";
import { chooseDevice } from "./engine/choose-device.js";
import { Engine } from "./engine/engine.js";
import { prepareGraphs } from "./engine/prepare-graphs.js";
import type { Device } from "./model/device.js";
import { NAME, VERSION } from "./project.js";
import { createApp } from "./routes/app.js";
import type { Logger } from "./telemetry/logger.js";
import { createMetrics, type Metrics } from "./telemetry/metrics.js";
import { createTracing } from "./telemetry/tracing.js";

export interface Service {
  server: Server;
  engine: Engine;
  metrics: Metrics;
  /** The port really in use. */
  port: number;
  /** Resolves when the bundles are loaded and warm. @throws Error with the reason, fit to show an operator */
  loaded: Promise<void>;
  /** Says so to load balancers, after the grace takes no more, lets running requests finish until the drain time is over, and ends everything. */
  close(): Promise<void>;
}

/** Entry of the engine process. */
const WORKER = new URL("./engine/worker.js", import.meta.url);

/**
 * Listens and starts the engine; /health answers while the bundles are still loading.
 * @param worker entry file of the engine process
 * @throws ConfigError when the key file cannot be used
 * @throws Error when the address cannot be used
 */
export async function serve(config: Config, logger: Logger, worker: URL = WORKER): Promise<Service> {
  const keys = openKeys(config, logger);
  const metrics = createMetrics();
  metrics.buildInfo.set({ version: VERSION, node: process.versions.node }, 1);
  const { device: chosen, passedOver } = await chooseDevice(config);
  const device: Device = chosen.name === "cpu" ? { ...chosen, products: config.products } : chosen;
  for (const { device, reason } of passedOver) logger.info({ device, reason }, "device not used");
  // Packed int8 weights are neither faster read from there nor shared.
  const cacheDir = device.products === "fp32" && config.cacheDir !== "" ? config.cacheDir : undefined;
  const engines = config.engines || usualEngines(device.name, config.threads);
  logger.info({ device: device.name, device_id: device.id, products: device.products, engines }, "device");
  const engine = new Engine({
    ...config,
    engines,
    worker,
    load: {
      modelsDir: config.modelsDir,
      device,
      ...(cacheDir === undefined ? {} : { cacheDir }),
      threads: Math.max(1, Math.floor(config.threads / engines)),
      scheduler: { batching: config.batching, maxRows: config.maxBatchRows, stepsPerCall: config.stepsPerCall },
    },
    maxMemoryBytes: config.maxEngineMb > 0 ? config.maxEngineMb * 1e6 : (0.8 * availableMemory()) / engines,
    logger,
    metrics,
  });
  const tracing = config.otlpEndpoint === "" ? undefined : await createTracing(config.otlpEndpoint, NAME, VERSION);
  const server = createServer(
    {
      // Node's defaults let a slow sender hold a connection for minutes, and look only every half minute.
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: config.maxHeaderBytes,
      // Idle ones outlive the 60 s of common load balancers.
      keepAliveTimeout: 65_000,
    },
    createApp({ engine, config, logger, metrics, tracing, keys }),
  );
  server.maxConnections = config.maxConnections;
  server.on("drop", () => metrics.rejected.inc({ reason: "max_connections" }));
  server.listen(config.port, config.host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const closing = new AbortController();
  const loaded = load();

  async function load(): Promise<void> {
    if (cacheDir !== undefined) await prepareGraphs({ modelsDir: config.modelsDir, cacheDir }, logger, closing.signal);
    // As the engine's own start does when it is stopped: nothing was loaded, and nothing is wrong.
    await (closing.signal.aborted ? new Promise<never>(() => undefined) : engine.start());
  }

  async function close(): Promise<void> {
    closing.abort();
    if (engine.ready) {
      engine.leaveRotation();
      await setTimeout(config.graceMs);
    }
    const closed = new Promise((resolve) => server.close(resolve));
    await engine.drain(config.drainMs);
    // The last replies are on their way; whatever is still open after a moment is idle or stuck.
    void setTimeout(500, undefined, { ref: false }).then(() => server.closeAllConnections());
    server.closeIdleConnections();
    await closed;
    await engine.stop();
    keys?.close();
    await tracing?.shutdown();
  }

  return { server, engine, metrics, port, loaded, close };
}

/** The keys, and a word in the log on who is let in. @throws ConfigError */
function openKeys({ apiKeys, apiKeysFile }: Config, logger: Logger): KeyRing | undefined {
  let keys: KeyRing | undefined;
  try {
    keys = KeyRing.open(apiKeys, apiKeysFile, logger);
  } catch (error) {
    throw new ConfigError(`--api-keys-file (or TDI_API_KEYS_FILE): ${(error as Error).message}`);
  }
  if (keys) logger.info({ keys: keys.size }, "API keys are asked for");
  else logger.warn("no API keys are configured: whoever reaches this server may use it");
  return keys;
}
