import type { Context } from "hono";
import type { z } from "zod";
import { checkInput, notFound } from "../../domain/index.ts";
import type { Reads } from "../aggregates.ts";
import { instanceOf, tagOf } from "./caller.ts";
import { type Api, operationIdOf, route, servicesOf } from "./operation.ts";
import { Refusal } from "./problem-json.ts";
import { idParams, instanceHeader, oneQuery, problem } from "./schemas.ts";

const LONGEST_WAIT_MS = 5_000;

interface Read {
  /** As OpenAPI writes it: `/users/{id}`. */
  readonly path: string;
  readonly summary: string;
  /** Of the answer. */
  readonly schema: z.ZodType;
}

/** One of them, with its version as the ETag; 404 if there is none. */
export function addOne(
  api: Api,
  { what, ...read }: Read & { readonly what: string },
  find: (reads: Reads, instanceId: string, id: string) => Promise<{ version: number } | undefined>,
): void {
  describe(api, read, oneQuery);
  route(api, "get", read.path, async (context) => {
    const { reads, instanceId } = await ask(api, context, oneQuery);
    const id = context.req.param("id") ?? "";
    const found = await find(reads, instanceId, id);
    if (found === undefined) throw notFound(what, id);
    context.header("etag", tagOf(found.version));
    return context.json(found);
  });
}

/** A list, page by page. */
export function addList<Query extends { readonly waitFor?: number | undefined }>(
  api: Api,
  { query, ...read }: Read & { readonly query: z.ZodObject & z.ZodType<Query> },
  list: (reads: Reads, page: { readonly instanceId: string } & Query) => Promise<object>,
): void {
  describe(api, read, query);
  route(api, "get", read.path, async (context) => {
    const { reads, instanceId, asked } = await ask(api, context, query);
    return context.json(await list(reads, { ...asked, instanceId }));
  });
}

/** The query, once the projections are where it wants them. Throws DomainError, Refusal. */
async function ask<Query extends { readonly waitFor?: number | undefined }>(
  api: Api,
  context: Context,
  schema: z.ZodType<Query>,
): Promise<{ readonly asked: Query; readonly instanceId: string; readonly reads: Reads }> {
  const instanceId = instanceOf(context, api.instance);
  const asked = checkInput(schema, context.req.query());
  const { reads, waitFor } = servicesOf(api);
  const position = asked.waitFor;
  if (position === undefined || (await waitFor(instanceId, position, LONGEST_WAIT_MS))) {
    return { asked, instanceId, reads };
  }
  throw new Refusal(503, "behind", `The projections have not reached ${position} yet.`, {
    "retry-after": "1",
  });
}

function describe({ app }: Api, { path, summary, schema }: Read, query: z.ZodObject): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path,
    summary,
    operationId: operationIdOf("get", path),
    tags: [path.split("/")[1] ?? ""],
    request: {
      headers: instanceHeader,
      query,
      ...(path.includes("{id}") && { params: idParams }),
    },
    responses: {
      200: {
        description: "As the projections have it.",
        content: { "application/json": { schema } },
      },
      default: {
        description: "Refused: `code` says why.",
        content: { "application/problem+json": { schema: problem } },
      },
    },
  });
}
