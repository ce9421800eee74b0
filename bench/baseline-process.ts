import { projectPath } from "../src/project.js";
import { AutoregressiveBaseline } from "./autoregressive.js";

/** The autoregressive baseline in a process of its own: arguments folder and threads; a message {id, text} is answered by {id}, one after the other. */
const [folder, threads] = process.argv.slice(2);
const baseline = await AutoregressiveBaseline.load(folder!, Number(threads), projectPath("models/shared/casing.json"));
await baseline.write("Is it ready?");
let turn: Promise<unknown> = Promise.resolve();
process.on("message", ({ id, text }: { id: number; text: string }) => {
  turn = turn.then(() => baseline.write(text)).then(() => process.send!({ id }));
});
process.send!({ ready: true });
