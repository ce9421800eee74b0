/** Entry of the process that prepares graphs: it loads the ONNX runtime, which the server process does not. */
import { prepareBundles } from "../model/prepare.js";
import type { PrepareRequest, PrepareResult } from "./prepare-graphs.js";

process.once("message", ({ modelsDir, cacheDir }: PrepareRequest) => {
  const tell = (result: PrepareResult) => process.send!(result, undefined, undefined, () => process.exit(0));
  prepareBundles(modelsDir, cacheDir).then((graphs) => tell({ graphs }), (error: Error) => tell({ error: error.message }));
});
// The server is gone; an entry that is half written is not found by anybody.
process.once("disconnect", () => process.exit(0));
