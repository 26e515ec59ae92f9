import { destroyEmbeddedServer, findEmbeddedServer } from "../src/db/embedded/index.ts";
import { PROJECT, script, TEST_DIR } from "./dev-server.ts";
import { removeContainer } from "./test-container.ts";

await script(async () => {
  const container = await removeContainer(PROJECT);
  const embedded = await findEmbeddedServer({ dir: TEST_DIR });
  // Its data too, even if it is not running: none of it is worth keeping.
  await destroyEmbeddedServer({ dir: TEST_DIR });
  const stopped = [
    ...(container === "removed" ? ["the container"] : []),
    ...(embedded === undefined ? [] : ["the embedded server"]),
  ];
  console.log(
    stopped.length === 0
      ? "No test server is running."
      : `Stopped ${stopped.join(" and ")}, and deleted what was in it.`,
  );
  return 0;
});
