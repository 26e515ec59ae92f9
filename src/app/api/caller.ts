import type { Context } from "hono";
import type { Call } from "../../domain/index.ts";
import { Refusal } from "./problem-json.ts";

const INSTANCE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const ACTOR = /^[\x21-\x7e]{1,200}$/;
const KEY = /^[\x21-\x7e]{1,200}$/;
const LONGEST_WAIT_S = 30;

/** The instance that a request is about. Throws Refusal 400. */
export function instanceOf({ req }: Context, fallback: string): string {
  const instance = req.header("x-instance") ?? fallback;
  if (INSTANCE.test(instance)) return instance;
  throw new Refusal(400, "bad_header", "X-Instance is not the name of an instance.");
}

/** Who asks, where, on which condition: from the headers. Throws Refusal 400. */
export function callOf(context: Context, instance: string): Call {
  const { req } = context;
  const creator = req.header("x-actor") ?? "api";
  if (!ACTOR.test(creator)) {
    throw new Refusal(400, "bad_header", "X-Actor is not 1 to 200 letters, digits and signs.");
  }
  const key = req.header("idempotency-key")?.replace(/^"(.*)"$/, "$1");
  if (key !== undefined && !KEY.test(key)) {
    throw new Refusal(400, "bad_header", "Idempotency-Key is not 1 to 200 letters and signs.");
  }
  return {
    instanceId: instanceOf(context, instance),
    creator,
    expected: expectedOf(req.header("if-match")),
    idempotencyKey: key,
  };
}

/** The version as an entity tag. */
export function tagOf(version: number): string {
  return `"${version}"`;
}

function expectedOf(tag: string | undefined): number | undefined {
  if (tag === undefined || tag === "*") return undefined;
  const [, version] = /^"(\d{1,15})"$/.exec(tag) ?? [];
  if (version !== undefined) return Number(version);
  throw new Refusal(400, "bad_header", 'If-Match is not one version in quotes, as "3".');
}

/** How long the client wants to wait until what it did can be read (`Prefer: wait=5`). */
export function preferredWaitMs({ req }: Context): number | undefined {
  const [, seconds] =
    /(?:^|[,;\s])wait\s*=\s*(\d{1,4})(?:$|[,;\s])/i.exec(req.header("prefer") ?? "") ?? [];
  return seconds === undefined ? undefined : Math.min(Number(seconds), LONGEST_WAIT_S) * 1_000;
}

/** The body. Throws Refusal 400 or 415. */
export async function jsonOf({ req }: Context): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(req.header("content-type") ?? "")) {
    throw new Refusal(415, "not_json", "Send the body as Content-Type: application/json.");
  }
  try {
    return JSON.parse(await req.text());
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new Refusal(400, "malformed_json", "The body is not JSON.");
    }
    throw error;
  }
}
