import { stopEmbeddedServer } from "../src/db/embedded/index.ts";
import { DEV_DIR, script } from "./dev-server.ts";

await script(async () => {
  const outcome = await stopEmbeddedServer({ dir: DEV_DIR });
  console.log(
    outcome === "stopped"
      ? "Stopped the development server. Its data is kept; npm run db:reset deletes it."
      : "The development server is not running.",
  );
  return 0;
});
