/** Entry of the engine process: the only one that loads the ONNX runtime and the tokenizer. */
import { loadPipelines } from "../model/load.js";
import { runWorker } from "./worker-loop.js";

runWorker(loadPipelines);
