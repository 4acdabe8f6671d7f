// graphile-worker: a local queue of 500, completions gathered for 0 ms at least (its best in throughput: they lag behind),
// 24 jobs at once; 0.17, since 0.18 asks for a node of 22.18; jobs are deleted when they are done. Many by `addJobs`.

import { readFileSync } from "node:fs";
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";

const silent = new Logger(() => () => {});
const { version } = JSON.parse(readFileSync(new URL("node_modules/graphile-worker/package.json", import.meta.url)));

export const queue = (connectionString, { size = 500, concurrency = 24 } = {}) => {
  let utils;
  return {
    version,
    unfinished: "select exists (select from graphile_worker._private_jobs)",
    async install() {
      await runMigrations({ connectionString, logger: silent });
      utils = await makeWorkerUtils({ connectionString, logger: silent });
    },
    one: (item) => utils.addJob("noop", item, { maxAttempts: 1 }),
    many: (items) => utils.addJobs(items.map((item) => ({ identifier: "noop", payload: item, maxAttempts: 1 }))),
    async work(done) {
      await run({
        connectionString,
        logger: silent,
        noHandleSignals: true,
        taskList: { noop: (item) => done(item) },
        preset: {
          worker: {
            concurrentJobs: concurrency,
            maxPoolSize: concurrency + 4,
            localQueue: { size },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      });
    },
  };
};
