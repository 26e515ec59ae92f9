// A test in a process of its own, as a test runner's worker is. Started by
// testing-process.ts with the compiled module, then told over IPC what to do and when.
const { createTestDatabase } = await import(process.argv[2]);

let database;

process.on("message", async (task) => {
  try {
    if (task.kind === "create") {
      database = await createTestDatabase(task.options);
      process.send({ url: database.url, name: database.name });
    } else {
      await database.drop();
      process.send({}, () => process.disconnect());
    }
  } catch (error) {
    const { name, code, message } = error;
    process.send({ error: { name, code, message } }, () => process.disconnect());
  }
});

process.send({ ready: true });
