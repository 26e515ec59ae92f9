import { connect, createServer } from "node:net";
import { readIfThere } from "../base/files.ts";
import { errorCode } from "../base/problem.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { type Layout, writeLayoutFile } from "./server-folder.ts";

export const HOST = "127.0.0.1";

// Below the range that Linux (32768), macOS and Windows (49152) use for outgoing connections, so
// that the port is still free the next time.
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** The port of the last start, if nothing listens there. */
export async function rememberedPort(layout: Layout): Promise<number | undefined> {
  const port = await readPort(layout.portFile);
  // Connecting, not listening: listening for a moment would make another starter's server fail.
  return port !== undefined && !(await isListening(port)) ? port : undefined;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const port = await tryListen(LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST)));
    if (port !== undefined) return port;
  }
  const port = await tryListen(0);
  if (port === undefined) {
    throw new EmbeddedServerError("start_failed", {
      fact: `There is no free TCP port on ${HOST}.`,
    });
  }
  return port;
}

export async function rememberPort(layout: Layout, port: number): Promise<void> {
  if ((await readPort(layout.portFile)) !== port) {
    await writeLayoutFile(layout, layout.portFile, `${port}\n`);
  }
}

async function readPort(file: string): Promise<number | undefined> {
  const port = Number(await readIfThere(file));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    const answer = (listening: boolean) => {
      socket.destroy();
      resolve(listening);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", (error) => answer(errorCode(error) !== "ECONNREFUSED"));
    // A packet filter swallowed it: the port is of no use.
    socket.setTimeout(1_000, () => answer(true));
  });
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === "object" && address !== null ? address.port : undefined;
      server.close(() => resolve(taken));
    });
  });
}
