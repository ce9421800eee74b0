import * as ort from "onnxruntime-node";
import { CPU, type Device, deviceError } from "./device.js";

export type Feeds = Record<string, ort.Tensor>;

/** Execution providers in the order in which they take the nodes of a graph; what none of them has, the CPU's does. */
function providersOf({ name, id: deviceId }: Device): ort.InferenceSession.ExecutionProviderConfig[] {
  if (name === "tensorrt") return [{ name, deviceId }, { name: "cuda", deviceId }];
  return name === "cuda" || name === "dml" ? [{ name, deviceId }] : [name];
}

function optionsOf(threads: number, device: Device): ort.InferenceSession.SessionOptions & { extra: { session: Record<string, string> } } {
  return {
    executionProviders: providersOf(device),
    graphOptimizationLevel: "all",
    // An arena a session grows by powers of two and gives nothing back: what a dozen of them held between calls was a fifth of an engine's memory. An engine process has malloc keep what it frees instead (engine-process.ts; training/RUNS.md, fourteenth and seventeenth round).
    enableCpuMemArena: false,
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // A thread that spins while it waits takes the core from the other process that serves HTTP.
    // Left to itself the runtime keeps int8 weights packed and rounds activations to int8 in blocks of 32 (MatMulNBits); else the weights are unpacked once, when the graph is loaded.
    extra: { session: { force_spinning_stop: "1", disable_quant_qdq: device.products === "int8" ? "0" : "1" } },
  };
}

/**
 * One ONNX graph, loaded by path: from a buffer its weights would be held twice.
 * @throws DeviceError when the device cannot be used
 */
export async function openSession(path: string, threads: number, device: Device = CPU): Promise<ort.InferenceSession> {
  const session = ort.InferenceSession.create(path, optionsOf(threads, device));
  // On the CPU the graph is at fault, on another device most likely what that needs.
  return device.name === "cpu" ? session : session.catch((error: unknown) => Promise.reject(deviceError(device, error)));
}

/** A graph that `saveSession` wrote on this machine, for the CPU: its weights are mapped and nothing is left to optimise. */
export function openSaved(path: string, threads: number): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(path, { ...optionsOf(threads, CPU), graphOptimizationLevel: "disabled" });
}

/**
 * The kernels read packed weights with aligned loads, and the runtime aligns only large tensors in the weights' file. One of an odd size
 * before them ends the process (onnxruntime 1.30); small ones therefore stay in the graph's own file.
 */
const LEAST_OUTSIDE = 1 << 19;

/**
 * Writes a graph as the runtime has it for the CPU once it is loaded, for products in fp32: optimised, its weights unpacked in a file beside it, and those
 * of products once more as packed for this processor's kernels. (Packed int8 weights that are read from a file make NaN of a product; onnxruntime 1.30.) Returns its session.
 * @param to the new graph
 * @param weights name of the weights' file, in the same folder
 */
export function saveSession(path: string, to: string, weights: string): Promise<ort.InferenceSession> {
  const { extra, ...options } = optionsOf(1, CPU);
  return ort.InferenceSession.create(path, {
    ...options,
    optimizedModelFilePath: to,
    extra: {
      session: {
        ...extra.session,
        optimized_model_external_initializers_file_name: weights,
        optimized_model_external_initializers_min_size_in_bytes: String(LEAST_OUTSIDE),
        save_external_prepacked_constant_initializers: "1",
      },
    },
  });
}

/** float32 tensor of a shape. */
export function floats(data: Float32Array, ...dims: number[]): ort.Tensor {
  return new ort.Tensor("float32", data, dims);
}

/** int64 tensor of a shape. */
export function longs(data: BigInt64Array, ...dims: number[]): ort.Tensor {
  return new ort.Tensor("int64", data, dims);
}

/** int64 tensor from plain integers. */
export function integers(data: readonly number[], ...dims: number[]): ort.Tensor {
  return longs(BigInt64Array.from(data, BigInt), ...dims);
}

/** The float32 data of a graph's output. */
export function floatsOf(outputs: ort.InferenceSession.ReturnType, name: string): Float32Array {
  return outputs[name]!.data as Float32Array;
}
