// pg-boss: fetch 500, perform, complete 500, in a loop of our own (its `work` polls each half second at best);
// finished jobs stay. Many by `insert`. 10, since later versions ask for a node of 22.

import { readFileSync } from "node:fs";
import PgBoss from "pg-boss";

const { version } = JSON.parse(readFileSync(new URL("node_modules/pg-boss/package.json", import.meta.url)));

export const queue = (connectionString, { batch = 500 } = {}) => {
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false });
  boss.on("error", (error) => console.error(error));
  return {
    version,
    unfinished: "select exists (select from pgboss.job where name = 'noop' and state < 'completed')",
    async install() {
      await boss.start();
      await boss.createQueue("noop");
    },
    one: (item) => boss.send("noop", item),
    many: (items) => boss.insert(items.map((data) => ({ name: "noop", data }))),
    async work(done) {
      await boss.start();
      for (;;) {
        const jobs = await boss.fetch("noop", { batchSize: batch });
        if (jobs.length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          continue;
        }
        for (const job of jobs) done(job.data);
        await boss.complete("noop", jobs.map((job) => job.id));
      }
    },
  };
};
