import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface Listening {
  /** The URL of the database, by way of this server. */
  readonly url: string;
  /** How many clients have come so far. */
  accepted(): number;
  /** Cuts every connection now, as a crash of the network would: RST, no good-bye. */
  cutAll(): void;
  /** Ends every connection in good order, and waits until the clients have closed it, too. */
  hangUp(): Promise<void>;
  close(): Promise<void>;
}

/** Waits until it listens, and closes it after the test. */
export async function started(starting: Promise<Listening>): Promise<Listening> {
  const server = await starting;
  onTestFinished(() => server.close());
  return server;
}

/** Ends the connection instead of, or just after, passing on a message with `text` in it. */
export interface Cut {
  readonly text: string;
  readonly when: "before" | "after";
}

/** Between client and server, able to cut. */
export function startProxy(databaseUrl: string, cut?: Cut): Promise<Listening> {
  const target = new URL(databaseUrl);
  return listen(databaseUrl, (client) => {
    const server = connectTo(target);
    const drop = () => {
      client.resetAndDestroy();
      server.destroy();
    };
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
    server.on("data", (bytes) => client.write(bytes));
    client.on("data", (bytes) => {
      const found = cut !== undefined && bytes.includes(cut.text);
      if (found && cut.when === "before") return drop();
      server.write(bytes);
      // The server has done its work when it answers, and that answer is lost.
      if (found) server.removeAllListeners("data").once("data", drop);
    });
  });
}

/** A server that never says a word. */
export function startSilentServer(databaseUrl: string): Promise<Listening> {
  return listen(databaseUrl, (client) => client.resume());
}

/** A server that hangs up at once. */
export function startClosingServer(databaseUrl: string): Promise<Listening> {
  return listen(databaseUrl, (client) => client.destroy());
}

/** A server that asks for a password and does not like it. */
export function startRefusingServer(databaseUrl: string): Promise<Listening> {
  return listen(databaseUrl, (client) => {
    client.once("data", () => {
      client.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
      client.once("data", () => client.end(refusal()));
    });
  });
}

function refusal(): Buffer {
  const fields = ["SFATAL", "VFATAL", "C28P01", "Mpassword authentication failed"];
  const body = Buffer.from(`${fields.join("\0")}\0\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function connectTo(target: URL): Socket {
  const socket = connect(Number(target.port || 5432), target.hostname);
  return socket.on("error", () => undefined);
}

async function listen(databaseUrl: string, serve: (client: Socket) => void): Promise<Listening> {
  const clients = new Set<Socket>();
  let accepted = 0;
  const server: Server = createServer((client) => {
    accepted += 1;
    clients.add(client);
    client.on("error", () => undefined);
    client.on("close", () => clients.delete(client));
    serve(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  if (address !== null && typeof address === "object") url.port = String(address.port);
  const cutAll = () => {
    for (const client of clients) client.resetAndDestroy();
  };
  return {
    url: url.href,
    accepted: () => accepted,
    cutAll,
    hangUp: async () => {
      const closed = [...clients].map((client) => once(client.end(), "close"));
      await Promise.all(closed);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cutAll();
      }),
  };
}
