/** What can compute the graphs: the execution providers of ONNX Runtime that a Node.js build of it has on some platform. */
export const DEVICES = ["cpu", "cuda", "tensorrt", "webgpu", "coreml", "dml"] as const;
export type DeviceName = (typeof DEVICES)[number];

/** What a CPU multiplies: whole numbers of eight bits, to which activations are rounded in blocks of 32, or floats, into which the weights are unpacked. */
export const PRODUCTS = ["int8", "fp32"] as const;
export type Products = (typeof PRODUCTS)[number];

export interface Device {
  name: DeviceName;
  /** Which of several; only CUDA, TensorRT and DirectML can be told. */
  id: number;
  /** Of a CPU; fp32 when absent. */
  products?: Products;
}

/** As others are compared with. */
export const CPU: Device = { name: "cpu", id: 0 };
/** As it serves. */
export const SERVING_CPU: Device = { ...CPU, products: "int8" };

/** Devices of which one among several can be chosen. */
export const NUMBERED: readonly DeviceName[] = ["cuda", "tensorrt", "dml"];

/** The device could not be used; the message says why and what it needs. */
export class DeviceError extends Error {
  override readonly name = "DeviceError";
}

const CUDA_NEEDS =
  "It needs Linux on x64 with an NVIDIA driver, the CUDA 12 runtime and cuDNN 9 where the loader finds them (LD_LIBRARY_PATH), and the CUDA libraries of ONNX Runtime, " +
  "which the npm package does not hold: ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js fetches them. " +
  "The CUDA image of the Dockerfile has all but the driver";

/** What a device needs and how to get it, and how far this project could try it; for errors and the documents. */
export const DEVICE_NOTES: Record<DeviceName, { needs: string; tried: string }> = {
  cpu: { needs: "It needs nothing", tried: "yes: every test and figure" },
  cuda: { needs: CUDA_NEEDS, tried: "unverified: only the error of a machine without it" },
  tensorrt: { needs: `${CUDA_NEEDS}. TensorRT 10 has to be installed too`, tried: "unverified: only the error of a machine without it" },
  webgpu: {
    needs: "It needs a GPU with its driver: on Linux Vulkan (libvulkan.so.1 and a driver for it), on Windows Direct3D 12, on macOS Metal",
    tried: "unverified on a GPU; on a software adapter (SwiftShader) a step of the paraphraser was within 6e-6 of the CPU's",
  },
  coreml: { needs: "It exists on macOS alone", tried: "unverified" },
  dml: { needs: "It exists on Windows alone", tried: "unverified" },
};

/** An error of ONNX Runtime as one that tells an operator what to do. */
export function deviceError({ name }: Device, cause: unknown): DeviceError {
  const said = (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s+/g, " ").trim().replace(/\.$/, "");
  return new DeviceError(`--device ${name} cannot be used: ${said}. ${DEVICE_NOTES[name].needs}.`);
}
