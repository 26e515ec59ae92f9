import { connect, createServer, type Server, type Socket } from "node:net";

/** A port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface TcpProxy {
  /** The URL given, through the proxy. */
  readonly url: string;
  /** How many clients have come so far, and the bytes that the server has sent them all. */
  readonly traffic: () => { readonly clients: number; readonly bytes: number };
  /** Lets nothing of what the server answers through any more, until the next reset. */
  readonly mute: () => void;
  /** Accepts no connection any more; those that are there stay. */
  readonly refuse: () => void;
  /** Accepts connections again. */
  readonly accept: () => Promise<void>;
  /** Cuts every connection with a RST. */
  readonly reset: () => void;
  readonly close: () => Promise<void>;
}

/** A proxy in front of a server, whose connections can be cut; with a delay, a long line. */
export async function tcpProxy(
  target: string,
  options: {
    readonly delayMs?: number;
    /** Told the text of each query that a client sends, and the type of each other message. */
    readonly onMessage?: (type: string, text: string) => void;
    readonly onConnection?: () => void;
  } = {},
): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let muted = false;
  let clients = 0;
  let bytes = 0;
  const server = createServer((client) => {
    options.onConnection?.();
    const upstream = connect(Number(port), hostname);
    clients += 1;
    upstream.on("data", (chunk) => {
      bytes += chunk.length;
    });
    if (options.onMessage) client.on("data", messageReader(options.onMessage));
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (chunk) => {
        if (muted && from === upstream) return;
        if (options.delayMs) setTimeout(() => to.write(chunk), options.delayMs);
        else to.write(chunk);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const listening = await listen(server);
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(listening);
  return {
    url: url.href,
    traffic: () => ({ clients, bytes }),
    mute: () => {
      muted = true;
    },
    refuse: () => {
      server.close();
    },
    accept: async () => {
      await listen(server, listening);
    },
    reset: () => {
      muted = false;
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, onPort = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(onPort, "127.0.0.1", () => {
      const address = server.address();
      if (address !== null && typeof address === "object") resolve(address.port);
    });
  });
}

/** Reads the messages of one client: a start-up packet without a type, then one after the other. */
function messageReader(onMessage: (type: string, text: string) => void) {
  let rest = Buffer.alloc(0);
  let started = false;
  return (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) return;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) return;
      if (started) {
        onMessage(String.fromCharCode(rest[0] ?? 0), rest.toString("utf8", 5, end - 1));
      }
      started = true;
      rest = rest.subarray(end);
    }
  };
}
