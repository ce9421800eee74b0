import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, parseConfig, usualEngines, type Config } from "../../src/config.js";
import { chooseDevice } from "../../src/engine/choose-device.js";
import { deviceError } from "../../src/model/device.js";

const PROBE = new URL("../fixtures/fake-probe.js", import.meta.url);
const machine = (platform: NodeJS.Platform) => ({ platform, gpuNodes: ["/dev/null"], probe: PROBE });
const auto = (behaviour: string, platform: NodeJS.Platform = "linux") => chooseDevice({ device: "auto", deviceId: 1, modelsDir: behaviour, threads: 1 }, machine(platform));

describe("the device", () => {
  test("auto takes the first that gives the CPU's results in less time, and says why not the others", async () => {
    assert.deepEqual(await auto("cuda=fast,webgpu=fast"), { device: { name: "cuda", id: 1 }, passedOver: [] });
    const second = await auto("cuda=crash,webgpu=fast");
    assert.deepEqual(second, { device: { name: "webgpu", id: 1 }, passedOver: [{ device: "cuda", reason: "the trial ended without a result (exit code 11)" }] });
    const reasons = async (behaviour: string, platform?: NodeJS.Platform) => {
      const { device, passedOver } = await auto(behaviour, platform);
      assert.deepEqual(device, { name: "cpu", id: 0 });
      return passedOver.map(({ device, reason }) => `${device}: ${reason}`);
    };
    assert.deepEqual(await reasons("cuda=error,webgpu=slow"), ["cuda: --device cuda cannot be used: no driver", "webgpu: it is slower than the CPU: 30.0 ms for a step of a few rows, the CPU 20.0"]);
    assert.deepEqual(await reasons("coreml=wrong,webgpu=nonsense", "darwin"), ["coreml: its results differ from the CPU's by 50.0 %", "webgpu: its results differ from the CPU's by NaN %"]);
    assert.deepEqual(await reasons("", "freebsd"), []);
  });

  test("where there is no GPU nothing is tried, and one that is asked for is taken as it is", async () => {
    const nowhere = { ...machine("linux"), gpuNodes: ["/dev/tdi-none"], probe: new URL("file:///nowhere.js") };
    const { device, passedOver } = await chooseDevice({ device: "auto", deviceId: 0, modelsDir: "", threads: 1 }, nowhere);
    assert.deepEqual([device.name, passedOver.map(({ device }) => device)], ["cpu", ["cuda", "webgpu"]]);
    assert.match(passedOver[0]!.reason, /no GPU: none of \/dev\/tdi-none/);
    assert.deepEqual(await chooseDevice({ device: "tensorrt", deviceId: 3, modelsDir: "", threads: 1 }, nowhere), { device: { name: "tensorrt", id: 3 }, passedOver: [] });
  });

  test("its settings are checked, and the number of engine processes follows it", () => {
    const parse = (...args: string[]) => parseConfig(args, {}) as Config;
    assert.deepEqual([parse().device, parse().deviceId], ["auto", 0]);
    assert.deepEqual([parse("--device", "cuda", "--device-id", "2").device, parse("--device-id", "2").deviceId], ["cuda", 2]);
    assert.deepEqual([parse().products, parse("--products", "fp32").products], ["int8", "fp32"]);
    const faults: [string[], RegExp][] = [
      [["--products", "int4"], /^--products \(or TDI_PRODUCTS\): /],
      [["--device", "gpu"], /^--device \(or TDI_DEVICE\): must be one of auto, cpu, cuda, tensorrt, webgpu, coreml, dml, not "gpu"$/],
      [["--device-id", "-1"], /--device-id/],
      [["--device", "webgpu", "--device-id", "1"], /--device webgpu has no numbers/],
    ];
    for (const [args, message] of faults) assert.throws(() => parse(...args), (error) => error instanceof ConfigError && message.test(error.message));
    assert.equal(usualEngines("cuda", 8), 1);
    assert.equal(usualEngines("cpu", 1), 1);
  });

  test("that cannot be used says what it needs", () => {
    const { message } = deviceError({ name: "cuda", id: 0 }, new Error("Failed to load\n  shared library."));
    assert.match(message, /^--device cuda cannot be used: Failed to load shared library\. It needs .*CUDA 12.*cuDNN 9.*ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules\/onnxruntime-node\/script\/install\.js/);
  });
});
