import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { CPU, type Device, type DeviceName } from "../model/device.js";

/** What a trial inference on a device found, or why there was none. */
export type ProbeResult = { stepMs: number; cpuStepMs: number; difference: number } | { error: string };

export interface ProbeRequest {
  modelsDir: string;
  threads: number;
  device: Device;
}

export interface DeviceChoice {
  device: Device;
  /** What was not taken, and why. */
  passedOver: { device: DeviceName; reason: string }[];
}

/**
 * What `auto` tries on a platform, in order: what that platform's build of ONNX Runtime has. TensorRT is not among them, as it
 * spends minutes on an engine for each shape when it meets it first.
 */
const CANDIDATES: Partial<Record<NodeJS.Platform, DeviceName[]>> = { linux: ["cuda", "webgpu"], win32: ["dml", "webgpu"], darwin: ["coreml", "webgpu"] };

/** Where Linux has no such node there is no GPU, and nothing to try: NVIDIA's, everybody's, that of Windows' subsystem. */
const GPU_NODES = ["/dev/nvidiactl", "/dev/dri", "/dev/dxg"];

/** Root mean square of what the device's prediction differs by, of that of the CPU's: fp32 and TF32 stay far below, a broken driver does not. */
const MOST_DIFFERENCE = 0.02;

const PROBE = new URL("./probe.js", import.meta.url);
/** Milliseconds that a trial may take: loading a bundle, and compiling its kernels. */
const PROBE_MS = 120_000;

interface Machine {
  platform: NodeJS.Platform;
  gpuNodes: readonly string[];
  /** Entry of the trial's process. */
  probe: URL;
}

/**
 * The device that the engine processes shall use. One that is asked for by name is taken as it is; `auto` tries each candidate
 * in a process of its own, which a broken driver may end, and takes the first that gives the CPU's results in less time.
 */
export async function chooseDevice(
  { device, deviceId: id, modelsDir, threads }: { device: DeviceName | "auto"; deviceId: number; modelsDir: string; threads: number },
  { platform, gpuNodes, probe }: Machine = { platform: process.platform, gpuNodes: GPU_NODES, probe: PROBE },
): Promise<DeviceChoice> {
  if (device !== "auto") return { device: { name: device, id }, passedOver: [] };
  const candidates = CANDIDATES[platform] ?? [];
  if (platform === "linux" && !gpuNodes.some((node) => existsSync(node))) {
    return { device: CPU, passedOver: candidates.map((name) => ({ device: name, reason: `there is no GPU: none of ${gpuNodes.join(", ")} exists` })) };
  }
  const passedOver: DeviceChoice["passedOver"] = [];
  for (const name of candidates) {
    const tried: Device = { name, id };
    const reason = objection(await tryOut({ modelsDir, threads, device: tried }, probe));
    if (reason === undefined) return { device: tried, passedOver };
    passedOver.push({ device: name, reason });
  }
  return { device: CPU, passedOver };
}

/** What speaks against a device; undefined when nothing does. */
function objection(result: ProbeResult): string | undefined {
  if ("error" in result) return result.error;
  const { stepMs, cpuStepMs, difference } = result;
  if (!(difference <= MOST_DIFFERENCE)) return `its results differ from the CPU's by ${(100 * difference).toFixed(1)} %`;
  return stepMs < cpuStepMs ? undefined : `it is slower than the CPU: ${stepMs.toFixed(1)} ms for a step of a few rows, the CPU ${cpuStepMs.toFixed(1)}`;
}

async function tryOut(request: ProbeRequest, probe: URL): Promise<ProbeResult> {
  const child = fork(probe, [], {
    // JSON would make a NaN a null, which is below every bound.
    serialization: "advanced",
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    // The keys of the API are no business of a trial.
    env: { ...process.env, TDI_API_KEYS: undefined, ORT_DISABLE_TELEMETRY: "1" },
  });
  let result: ProbeResult | undefined;
  child.on("message", (message) => (result = message as ProbeResult));
  const timer = setTimeout(() => child.kill("SIGKILL"), PROBE_MS);
  const gone = Promise.all([once(child, "exit"), once(child, "disconnect")]);
  child.send(request, () => undefined);
  const [[code, signal]] = await gone;
  clearTimeout(timer);
  return result ?? { error: `the trial ended without a result (${signal === null ? `exit code ${code}` : `signal ${signal}`})` };
}
