import * as ort from "onnxruntime-node";

export type Feeds = Record<string, ort.Tensor>;

/** One ONNX graph, loaded by path: from a buffer its weights would be held twice. */
export async function openSession(path: string, threads: number): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(path, {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // A thread that spins while it waits takes the core from the other process that serves HTTP.
    // int8 weights are unpacked once, when the graph is loaded. Left to itself the runtime keeps them packed and rounds the
    // activations to int8 in blocks of 32, and its matrix-vector path for a single row then differs from that for several.
    extra: { session: { force_spinning_stop: "1", disable_quant_qdq: "1" } },
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
