/** Entry of the process in which a device is tried out. */
import { readBundles } from "../model/bundle.js";
import { compareWithCpu } from "../model/agreement.js";
import type { ProbeRequest, ProbeResult } from "./choose-device.js";

process.once("message", ({ modelsDir, threads, device }: ProbeRequest) => {
  const tell = (result: ProbeResult) => process.send!(result, undefined, undefined, () => process.exit(0));
  readBundles(modelsDir)
    .then(([bundle]) => compareWithCpu(bundle!, device, threads))
    .then(tell, (error: Error) => tell({ error: error.message }));
});
