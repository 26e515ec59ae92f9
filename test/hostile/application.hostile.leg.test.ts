import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { useApp } from "../helpers/app-fixture.ts";

const app = useApp();

/** What a client sends, and the status of the answer; "closed" where there is none. */
const REQUESTS: readonly (readonly [what: string, request: string, status: number | "closed"])[] = [
  ["GET", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200],
  ["HEAD", "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200],
  ["OPTIONS", "OPTIONS /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["OPTIONS of everything", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["a method of its own", "BREW /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["DELETE", "DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["TRACE", "TRACE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["CONNECT", "CONNECT localhost:5432 HTTP/1.1\r\nHost: localhost\r\n\r\n", "closed"],
  ["no Host", "GET /healthz HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", 200],
  ["HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", 200],
  ["HTTP/3.0", "GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n", 400],
  ["a path that leads out", "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["the same, encoded", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["a path that is no UTF-8", "GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["half an escape", "GET /%f HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["NUL in the path", "GET /healthz%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["slashes", `GET ${"/".repeat(1_000)}healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`, 404],
  ["a whole URL", "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200],
  [
    "a query of 8 KB",
    `GET /healthz?${"a=b&".repeat(2_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    200,
  ],
  [
    "a query of odd names",
    "GET /healthz?__proto__=1&constructor[prototype]=2&%00=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    200,
  ],
  [
    "headers of 100 KB",
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
    431,
  ],
  // Node.js reads the first two thousand.
  [
    "5,000 headers",
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${"A: b\r\n".repeat(5_000)}\r\n`,
    200,
  ],
  [
    "both lengths",
    "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  [
    "a negative length",
    "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    400,
  ],
  [
    "a chunk of no size",
    "POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    400,
  ],
  ["a folded header", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n", 400],
  ["a header with NUL", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n", 400],
  ["a space before the colon", "GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n", 400],
  ["LF alone", "GET /healthz HTTP/1.1\nHost: localhost\n\n", 400],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["PostgreSQL's start", "\x00\x00\x00\x08\x04\xd2\x16\x2f", 400],
  [
    "an upgrade",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    200,
  ],
  [
    "an expectation",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n",
    200,
  ],
];

describe("a client that is odd gets an answer, and the application stays:", () => {
  test("each of them, one after the other", async () => {
    const running = app.start();
    const port = Number(new URL(await running.url).port);
    await running.isReady();
    const answers: (readonly [string, string | number])[] = [];
    for (const [what, request] of REQUESTS) answers.push([what, await statusOf(port, request)]);
    expect(answers).toEqual(REQUESTS.map(([what, _, status]) => [what, status]));
    expect((await running.readyz()).status).toBe(200);
    expect(running.child.exitCode).toBeNull();
    expect(running.log()).not.toMatch(/uncaught|unhandled/i);
  });
});

/** The status of the first answer, or what else became of the connection. */
async function statusOf(port: number, request: string): Promise<number | "closed"> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    if (/^HTTP\/1\.1 [2-5]\d\d/m.test(text)) socket.destroy();
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(request, "latin1");
  // What is not answered is closed by its time-out; a test waits for less.
  const timer = setTimeout(() => socket.end(), 1_000);
  if (!socket.closed) await once(socket, "close");
  clearTimeout(timer);
  const status = /^HTTP\/1\.1 ([2-5]\d\d)/m.exec(text)?.[1];
  return status === undefined ? "closed" : Number(status);
}
