import { readFile } from "node:fs/promises";
import { basename } from "node:path";

/** One tensor of a file: its shape and its values in row-major order, integers as plain numbers. */
export interface RecordedTensor {
  dims: number[];
  data: Float32Array;
}

export type Recorded = ReadonlyMap<string, RecordedTensor>;

/** A file that is no safetensors file, or holds a type that is not read here; the message names file and tensor. */
export class SafetensorsError extends Error {}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const HEADER_LIMIT = 100_000_000;

/**
 * Reads a safetensors file whole: eight bytes of header length, a JSON header, then the raw little-endian tensors
 * (github.com/huggingface/safetensors, "Format"). F32 and I64 are what recorded vectors hold. @throws SafetensorsError
 */
export async function readSafetensors(path: string): Promise<Recorded> {
  const name = basename(path);
  const file = await readFile(path).catch(() => {
    throw new SafetensorsError(`${name}: there is no such file, or it cannot be read`);
  });
  if (file.length < 8) throw new SafetensorsError(`${name}: is too short for a safetensors file`);
  const length = Number(file.readBigUInt64LE(0));
  if (length > HEADER_LIMIT || 8 + length > file.length) throw new SafetensorsError(`${name}: its header is longer than the file`);
  let header: Record<string, Entry>;
  try {
    header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<string, Entry>;
  } catch {
    throw new SafetensorsError(`${name}: its header is not JSON`);
  }
  const body = file.subarray(8 + length);
  return new Map(Object.entries(header).filter(([key]) => key !== "__metadata__").map(([key, entry]) => [key, tensor(`${name}: ${key}`, entry, body)]));
}

function tensor(what: string, { dtype, shape, data_offsets: [from, to] }: Entry, body: Buffer): RecordedTensor {
  const size = { F32: 4, I64: 8 }[dtype];
  if (size === undefined) throw new SafetensorsError(`${what} is ${dtype}; F32 and I64 are read`);
  const count = shape.reduce((product, n) => product * n, 1);
  if (from < 0 || to > body.length || to - from !== count * size) throw new SafetensorsError(`${what} has a shape that does not fit its bytes`);
  const data = Float32Array.from({ length: count }, (_, i) => (size === 4 ? body.readFloatLE(from + 4 * i) : Number(body.readBigInt64LE(from + 8 * i))));
  return { dims: shape, data };
}
