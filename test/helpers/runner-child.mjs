// A runner in a process of its own. Started by runner-process.ts with the engine's
// compiled module, then told over IPC what to run and when.
const [, , engine] = process.argv;
const { DatabaseMigrator } = await import(engine);

process.on("message", async (task) => {
  const { options, migrate, rollback, worksFor, failpoint, runners, clockMs = 0 } = task;
  setClock(clockMs);
  let passed = -1;
  const onFailpoint = async ({ phase, message }) => {
    passed += 1;
    if (phase === "after" && message === "look") process.send({ kind: "looked" });
    if (failpoint === undefined) return;
    const here =
      failpoint.nth === undefined
        ? failpoint.phase === phase && failpoint.message === message
        : failpoint.nth === passed;
    if (!here) return;
    await new Promise((sent) => process.send({ kind: "failpoint" }, sent));
    process.kill(process.pid, failpoint.signal ?? "SIGKILL");
    // A stopped process goes on here once it is continued.
  };
  const progress = [];
  try {
    const migrator = new DatabaseMigrator(options, { onFailpoint });
    const onProgress = (item) => {
      progress.push(item);
      process.send({ kind: "progress", item });
    };
    const until = Date.now() + (worksFor ?? 0);
    const work = async () => {
      do await migrator.backfills.run({ onProgress });
      while (Date.now() < until);
      return {};
    };
    const run = () =>
      worksFor !== undefined
        ? work()
        : rollback === undefined
          ? migrator.migrate({ ...migrate, onProgress })
          : migrator.rollback({ ...rollback, onProgress });
    const [report, ...others] = await Promise.all(Array.from({ length: runners ?? 1 }, run));
    process.send({ kind: "end", report, others, progress }, () => process.disconnect());
  } catch (error) {
    const { code, message, stack, exitCode } = error;
    process.send({ kind: "end", error: { code, message, stack, exitCode }, progress }, () =>
      process.disconnect(),
    );
  }
});

/** Sets this process's clock forward or back. */
function setClock(byMs) {
  if (byMs === 0) return;
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + byMs);
      else super(...args);
    }
    static now() {
      return RealDate.now() + byMs;
    }
  };
}

process.send({ kind: "ready" });
