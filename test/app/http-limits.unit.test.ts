import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Hono } from "hono";
import { describe, expect, onTestFinished, test } from "vitest";
import { HTTP_LIMITS, type HttpLimits, type HttpServer, listen } from "../../src/app/server.ts";

const GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

async function serve(
  limits: Partial<HttpLimits>,
  options: { readonly maxConnections?: number; readonly onFull?: () => void } = {},
): Promise<HttpServer> {
  const app = new Hono();
  app.get("/", (context) => context.text("hello"));
  app.all("/never", () => new Promise<Response>(() => undefined));
  const server = await listen(app, {
    host: "127.0.0.1",
    port: 0,
    variables: "PORT",
    maxConnections: 10,
    onFull: () => undefined,
    ...options,
    limits: { ...HTTP_LIMITS, checkMs: 20, ...limits },
  });
  onTestFinished(() => server.close(0));
  return server;
}

async function open({ port }: HttpServer): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  return socket;
}

/** All that the server says before it closes the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => undefined);
  if (!socket.closed) await once(socket, "close");
  return text;
}

describe("a connection is closed", () => {
  test("when its request's headers do not come to an end", async () => {
    const socket = await open(await serve({ headersMs: 100 }));
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const drip = setInterval(() => socket.write("a"), 20);
    onTestFinished(() => clearInterval(drip));
    await untilClosed(socket);
  });

  test("when its request's body does not", async () => {
    const socket = await open(await serve({ headersMs: 100, requestMs: 150 }));
    socket.write("POST /never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    const drip = setInterval(() => socket.write("a"), 20);
    onTestFinished(() => clearInterval(drip));
    await untilClosed(socket);
  });

  test("when nothing is sent on it at all", async () => {
    await untilClosed(await open(await serve({ headersMs: 100 })));
  });

  test("when nothing moves on it, though a request is open", async () => {
    const socket = await open(await serve({ silenceMs: 100 }));
    socket.write("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await untilClosed(socket)).toBe("");
  });

  test("when no other request follows, and stays open until then", async () => {
    const socket = await open(await serve({ keepAliveMs: 200, silenceMs: 50 }));
    socket.write(GET);
    await once(socket, "data");
    socket.write(GET);
    expect(await untilClosed(socket)).toContain("hello");
  });
});

test("more connections than the bound are closed as they come, and that is said once", async () => {
  let full = 0;
  const server = await serve(
    {},
    {
      maxConnections: 2,
      onFull: () => {
        full += 1;
      },
    },
  );
  const [first, second] = [await open(server), await open(server)];
  for (const more of [await open(server), await open(server)]) {
    expect(await untilClosed(more)).toBe("");
  }
  expect(full).toBe(1);
  first.write(GET);
  expect(String(await once(first, "data"))).toContain("hello");
  second.destroy();
  await expect
    .poll(async () => {
      const next = await open(server);
      next.write(GET);
      return untilClosed(next.setTimeout(200, () => next.end()));
    })
    .toContain("hello");
});
