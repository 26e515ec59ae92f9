import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { z } from "zod";
import { type Call, checkInput, type Done } from "../../domain/index.ts";
import type { Commands } from "../aggregates.ts";
import { callOf, jsonOf, preferredWaitMs, tagOf } from "./caller.ts";
import { Refusal } from "./problem-json.ts";
import { changeHeaders, commandHeaders, done, idParams, problem } from "./schemas.ts";
import type { ApiOptions, Services } from "./services.ts";

export interface Api extends ApiOptions {
  readonly app: OpenAPIHono;
  /** Before every route. */
  readonly guards: readonly MiddlewareHandler[];
}

/** Every route is made by this: none is without the guards. The path is as OpenAPI writes it. */
export function route(
  { app, guards }: Api,
  method: "get" | Method,
  path: string,
  handle: (context: Context) => Promise<Response>,
): void {
  app.on(method.toUpperCase(), [path.replace("{id}", ":id")], ...guards, handle);
}

type Method = "post" | "put" | "delete";

interface Operation<Input> {
  readonly method: Method;
  /** As OpenAPI writes it: `/users/{id}/email`. */
  readonly path: string;
  readonly summary: string;
  /** Undefined: it takes no body. */
  readonly input?: z.ZodType<Input>;
}

/** A command that adds something: answered with 201 and where it is. */
export function addCreation<Input extends object>(
  api: Api,
  operation: Operation<Input> & { readonly input: z.ZodType<Input> },
  run: (commands: Commands, call: Call & Input) => Promise<Done>,
): void {
  const { path, input } = operation;
  describe(api, operation, false);
  route(api, "post", path, async (context) => {
    const call = callOf(context, api.instance);
    const body = checkInput(input, await jsonOf(context));
    const { commands } = servicesOf(api);
    const made = await run(commands, { ...body, ...call });
    context.header("location", `${path}/${encodeURIComponent(made.id)}`);
    return answer(api, context, call.instanceId, made, 201);
  });
}

/** A command on what the path names. */
export function addChange<Input extends object>(
  api: Api,
  operation: Operation<Input>,
  run: (commands: Commands, call: Call & { readonly id: string } & Input) => Promise<Done>,
): void {
  const { method, path, input } = operation;
  describe(api, operation, true);
  route(api, method, path, async (context) => {
    const call = { ...callOf(context, api.instance), id: context.req.param("id") ?? "" };
    const body = input === undefined ? noInput<Input>() : checkInput(input, await jsonOf(context));
    const { commands } = servicesOf(api);
    return answer(api, context, call.instanceId, await run(commands, { ...body, ...call }), 200);
  });
}

/** Throws Refusal 503 until the application is ready. */
export function servicesOf({ services }: ApiOptions): Services {
  const found = services();
  if (found !== undefined) return found;
  throw new Refusal(503, "not_ready", "The application is not ready yet.", { "retry-after": "1" });
}

/** Of operations without a body `Input` is the empty object. */
function noInput<Input extends object>(): Input {
  return {} as Input;
}

async function answer(
  api: Api,
  context: Context,
  instanceId: string,
  result: Done,
  status: 200 | 201,
): Promise<Response> {
  const waitMs = preferredWaitMs(context);
  // The command is done, whether the projections follow in time or not.
  const isReadable =
    waitMs !== undefined &&
    (await servicesOf(api)
      .waitFor(instanceId, result.position, waitMs)
      .catch(() => false));
  if (isReadable) context.header("preference-applied", "wait");
  context.header("etag", tagOf(result.version));
  return context.json(result, status);
}

const JSON_TYPE = "application/json";

function describe<Input>(
  { app }: Api,
  { method, path, summary, input }: Operation<Input>,
  isChange: boolean,
): void {
  const refused = {
    description: "Refused, and nothing was written: `code` says why.",
    content: { "application/problem+json": { schema: problem } },
  };
  app.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    operationId: operationIdOf(method, path),
    tags: [path.split("/")[1] ?? ""],
    request: {
      headers: isChange ? changeHeaders : commandHeaders,
      ...(isChange && { params: idParams }),
      ...(input !== undefined && {
        body: { required: true, content: { [JSON_TYPE]: { schema: input } } },
      }),
    },
    responses: {
      [isChange ? 200 : 201]: {
        description: "Done, or it was so already.",
        content: { [JSON_TYPE]: { schema: done } },
      },
      default: refused,
    },
  });
}

/** `put /users/{id}/email` is `putUsersEmail`. */
export function operationIdOf(method: string, path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  const words = parts.map((part) => (part === "{id}" ? "" : part));
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return `${method}${name}${parts.at(-1) === "{id}" ? "ById" : ""}`;
}
