import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, helpText, parseConfig, type Config } from "../../src/config.js";

const parse = (args: string[], env: NodeJS.ProcessEnv = {}) => parseConfig(args, env) as Config;

describe("configuration", () => {
  test("defaults", () => {
    const config = parse([]);
    assert.deepEqual([config.host, config.port, config.maxBodyBytes, config.deadlineMs], ["127.0.0.1", 8080, 1_048_576, 60_000]);
    assert.match(config.modelsDir, /models$/);
  });

  test("a flag wins over its variable, an empty variable is unset", () => {
    assert.equal(parse([], { PORT: "9000" }).port, 9000);
    assert.equal(parse(["--port", "9001"], { PORT: "9000" }).port, 9001);
    assert.equal(parse(["--max-texts=3"], { TDI_MAX_TEXTS: "5" }).maxTexts, 3);
    assert.equal(parse([], { TDI_MAX_TEXTS: "" }).maxTexts, 32);
    assert.equal(parse([], { TDI_LOG_LEVEL: "debug" }).logLevel, "debug");
  });

  test("every setting at fault is named with flag and variable", () => {
    const faults: [string[], NodeJS.ProcessEnv, RegExp][] = [
      [["--port", "70000"], {}, /^--port \(or PORT\): must be an integer from 0 to 65535, not "70000"$/],
      [["--port", "1e3"], {}, /--port/],
      [["--port="], {}, /--port/],
      [[], { TDI_THREADS: "0x10" }, /--threads \(or TDI_THREADS\)/],
      [["--log-level", "loud"], {}, /--log-level/],
      [["--max-texts", "0", "--drain-ms", "-1"], {}, /drain-ms/],
      [["--max-texts", "0", "--hang-ms", "x"], {}, /--max-texts[^]*--hang-ms/],
      [["--nope"], {}, /--nope/],
      [["stray"], {}, /stray/],
      [["--max-queued-rows", "8"], {}, /--max-queued-rows.*--max-rows/],
      [["--max-rows-per-minute", "8"], {}, /--max-rows-per-minute.*--max-rows/],
      [["--headers-timeout-ms", "40000"], {}, /--request-timeout-ms.*--headers-timeout-ms/],
      [["--cors-origins", "https://a.example,*"], {}, /--cors-origins.*must be origins/],
      [["--cors-origins", "https://a.example/"], {}, /--cors-origins/],
      [[], { TDI_API_KEYS: "me:plugh-secret" }, /^--api-keys \(or TDI_API_KEYS\): (?!.*plugh)/],
    ];
    for (const [args, env, message] of faults) {
      assert.throws(() => parse(args, env), (error) => error instanceof ConfigError && message.test(error.message), `${args.join(" ")}`);
    }
  });

  test("origins and keys are lists", () => {
    const config = parse([], { TDI_CORS_ORIGINS: "https://a.example, http://localhost:3000", TDI_API_KEYS: `a:${"x".repeat(20)},b:${"y".repeat(20)}` });
    assert.deepEqual(config.corsOrigins, ["https://a.example", "http://localhost:3000"]);
    assert.deepEqual(config.apiKeys.map(({ name }) => name), ["a", "b"]);
    assert.deepEqual([parse([]).corsOrigins, parse([]).apiKeys], [[], []]);
  });

  test("--help and --version ask for text, and the help names every setting", () => {
    assert.equal(parseConfig(["--help"], {}), "help");
    assert.equal(parseConfig(["-h"], {}), "help");
    assert.equal(parseConfig(["--version"], {}), "version");
    const help = helpText();
    for (const key of Object.keys(parse([]))) {
      const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      assert.match(help, new RegExp(`--${flag} `));
    }
    assert.match(help, /TDI_MODELS_DIR, default models\/ of this package/);
  });
});
