import type { Context } from "hono";
import type { z } from "zod";
import { checkInput } from "../../domain/index.ts";
import { instanceOf, tagOf } from "./caller.ts";
import { type Api, operationIdOf, route, servicesOf } from "./operation.ts";
import { Refusal } from "./problem-json.ts";
import * as schemas from "./schemas.ts";

const LONGEST_WAIT_MS = 5_000;

/** What the projections say: one, or a page of a list. */
export function addReads(api: Api): void {
  describe(api, "/users", "Users, by id", schemas.users, schemas.userListQuery);
  route(api, "get", "/users", async (context) => {
    const { query, instanceId } = await ask(api, context, schemas.userListQuery);
    const { after, limit, org, username, state, type } = query;
    const filter = { org, username, state, type };
    const page = await servicesOf(api).reads.users({ instanceId, after, limit }, filter);
    return context.json({ users: page.items, next: page.next });
  });
  describe(api, "/users/{id}", "One user", schemas.user, schemas.oneQuery);
  route(api, "get", "/users/{id}", async (context) => {
    const { instanceId } = await ask(api, context, schemas.oneQuery);
    return one(
      context,
      await servicesOf(api).reads.user(instanceId, context.req.param("id") ?? ""),
    );
  });
  describe(api, "/orgs", "Organisations, by id", schemas.orgs, schemas.listQuery);
  route(api, "get", "/orgs", async (context) => {
    const { query, instanceId } = await ask(api, context, schemas.listQuery);
    const { after, limit } = query;
    const page = await servicesOf(api).reads.orgs({ instanceId, after, limit });
    return context.json({ orgs: page.items, next: page.next });
  });
  describe(api, "/orgs/{id}", "One organisation", schemas.org, schemas.oneQuery);
  route(api, "get", "/orgs/{id}", async (context) => {
    const { instanceId } = await ask(api, context, schemas.oneQuery);
    return one(context, await servicesOf(api).reads.org(instanceId, context.req.param("id") ?? ""));
  });
}

/** The query, once the projections are where it wants them. Throws DomainError, Refusal. */
async function ask<Schema extends z.ZodType<{ readonly waitFor?: number | undefined }>>(
  api: Api,
  context: Context,
  schema: Schema,
): Promise<{ readonly query: z.output<Schema>; readonly instanceId: string }> {
  const instanceId = instanceOf(context, api.instance);
  const query = checkInput(schema, context.req.query());
  const { waitFor } = query;
  const services = servicesOf(api);
  if (waitFor === undefined || (await services.waitFor(instanceId, waitFor, LONGEST_WAIT_MS))) {
    return { query, instanceId };
  }
  throw new Refusal(503, "behind", `The projections have not reached ${waitFor} yet.`, {
    "retry-after": "1",
  });
}

function one(context: Context, found: { readonly version: number } | undefined): Response {
  if (found === undefined) throw new Refusal(404, "not_found", "There is none with this id.");
  context.header("etag", tagOf(found.version));
  return context.json(found);
}

function describe(
  { app }: Api,
  path: string,
  summary: string,
  schema: z.ZodType,
  query: z.ZodObject,
): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path,
    summary,
    operationId: operationIdOf("get", path),
    tags: [path.split("/")[1] ?? ""],
    request: {
      headers: schemas.instanceHeader,
      query,
      ...(path.includes("{id}") && { params: schemas.idParams }),
    },
    responses: {
      200: {
        description: "As the projections have it.",
        content: { "application/json": { schema } },
      },
      default: {
        description: "Refused: `code` says why.",
        content: { "application/problem+json": { schema: schemas.problem } },
      },
    },
  });
}
