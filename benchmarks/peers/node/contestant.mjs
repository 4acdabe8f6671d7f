// One contestant of node's world: `node contestant.mjs MODULE COMMAND SETTINGS`; ../__main__.py says what is expected.
//
// A module exports `queue(url, options)`: { version, unfinished, install, one, many, work, close }.

import { closeSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";

const [module, command, text] = process.argv.slice(2);
const settings = JSON.parse(text);
const { queue } = await import(`./${module}.mjs`);
const one = await queue(settings.url, settings.options);

const payload = (n) => {
  const made = { n, text: "" };
  made.text = "x".repeat(100 - JSON.stringify(made).length - 2); // Python's JSON has two blanks more
  return made;
};

const seconds = async (calls) => {
  const began = process.hrtime.bigint();
  for (const call of calls) await call();
  return Number(process.hrtime.bigint() - began) / 1e9;
};

// Shared memory is not to be had without a compiler: two words are written to the file, each 2 ms at most.
const performer = (path, slot) => {
  const file = openSync(path, "r+");
  const words = new BigUint64Array(2);
  const bytes = new Uint8Array(words.buffer);
  let count = 0;
  let written = 0;
  setInterval(() => {
    if (count === written) return;
    written = count;
    words[0] = BigInt(count);
    writeSync(file, bytes, 0, 16, slot * 16);
  }, 2);
  process.on("exit", () => closeSync(file));
  return () => {
    count += 1;
    if (count === 1) words[1] = process.hrtime.bigint();
  };
};

const commands = {
  async prepare() {
    await one.install();
    const singles = Array.from({ length: settings.singles }, (_, n) => payload(n));
    const calls = Array.from({ length: settings.calls }, (_, call) =>
      Array.from({ length: settings.a_call }, (_, n) => payload(call * settings.a_call + n)),
    );
    const found = { version: one.version, unfinished: one.unfinished };
    if (singles.length) found.one = await seconds(singles.map((item) => () => one.one(item)));
    if (calls.length) found.many = await seconds(calls.map((items) => () => one.many(items)));
    console.log(JSON.stringify(found));
  },
  async work() {
    const done = performer(settings.tally, settings.slot);
    console.log("ready");
    const lines = createInterface({ input: process.stdin });
    lines.on("close", () => process.exit(0));
    await new Promise((resolve) => lines.once("line", resolve));
    await one.work(done);
    await new Promise(() => {});
  },
};

await commands[command]();
process.exit(0);
