import { spawnSync } from "node:child_process";
import { projectPath } from "../project.js";

/** A fault that is none of the model's: no Python, no torch. The message says what to do. */
export class PythonError extends Error {}

const NEEDED = ["torch", "onnx", "onnxscript", "safetensors", "numpy", "tqdm"];

function python(args: string[]): { status: number | null; stdout: string; stderr: string } {
  const program = process.env["PYTHON"] || "python3";
  const run = spawnSync(program, args, { cwd: projectPath("training"), encoding: "utf8", maxBuffer: 1 << 26, env: { ...process.env, PYTHONWARNINGS: "ignore" } });
  if (run.error) throw new PythonError(`"${program}" cannot be run (${run.error.message}); the environment variable PYTHON names another Python`);
  return run;
}

/** @throws PythonError when the training package's requirements are not there */
export function requirePython(): void {
  const missing = `import importlib.util as u; print(*[n for n in ${JSON.stringify(NEEDED)} if u.find_spec(n) is None])`;
  const { status, stdout, stderr } = python(["-c", missing]);
  if (status !== 0) throw new PythonError(`Python ended with ${status}: ${stderr.trim()}`);
  if (stdout.trim() === "") return;
  throw new PythonError(
    `Python lacks ${stdout.trim().split(" ").join(", ")}. Make an environment, "pip install -r training/requirements.txt" in it, and name its Python in the environment variable PYTHON.`,
  );
}

/** Runs `python -m tdi_training import`; `refusal` is what it said when it refused the folder. */
export function importFolder(folder: string, out: string, ...options: string[]): { refusal?: string; said: string } {
  const { status, stdout, stderr } = python(["-m", "tdi_training", "import", folder, "--out", out, ...options]);
  if (status === 0) return { said: stdout.trim() };
  const lines = stderr.trim().split("\n");
  // A refusal is one line; anything longer is a traceback, and with it a defect.
  if (status !== 1 || stderr.includes("Traceback")) throw new PythonError(`the import ended with ${status}:\n${lines.slice(-15).join("\n")}`);
  return { refusal: lines.at(-1)!, said: stdout.trim() };
}
