import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { decoderItems, denoiserItems, normaliserItems, scheduleItems } from "./passes.js";
import type { Item } from "./report.js";
import { readSafetensors } from "./safetensors.js";
import { loadSubject } from "./subject.js";
import { gridNote, trajectoryItems } from "./trajectories.js";

const settingsSchema = z.object({ cfg_coef: z.number().min(0) });

/** Every check of an imported bundle against the recorded vectors of a folder. @throws VectorsError, SafetensorsError, BundleError */
export async function checkBundle(bundle: string, folder: string, threads: number): Promise<{ items: Item[]; note: string }> {
  const vectors = await readSafetensors(join(folder, "vectors.safetensors"));
  const { cfg_coef: guidance } = settingsSchema.parse(JSON.parse(await readFile(join(folder, "config.json"), "utf8")));
  const subject = await loadSubject(bundle, threads);
  const items = [
    ...scheduleItems(vectors, subject.card.schedule.d),
    ...(await normaliserItems(subject, vectors)),
    ...(await denoiserItems(subject, vectors, guidance)),
    ...(await trajectoryItems(subject, vectors, guidance)),
    ...(await decoderItems(subject, vectors)),
  ];
  return { items, note: gridNote(subject, vectors) };
}
