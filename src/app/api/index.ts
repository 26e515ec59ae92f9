import { OpenAPIHono } from "@hono/zod-openapi";
import { LIMIT, requireToken, SAME_ORIGIN } from "./guard.ts";
import { type Api, route } from "./operation.ts";
import { addOrgOperations } from "./org-operations.ts";
import { INTERNAL, problemOf, Refusal } from "./problem-json.ts";
import type { ApiOptions } from "./services.ts";
import { addUserOperations } from "./user-operations.ts";

export { statusOf } from "./problem-json.ts";
export type { ApiOptions, Services } from "./services.ts";

/**
 * The aggregates over HTTP. Every refusal is an `application/problem+json`, with a `code`;
 * nothing that a server or driver says is in one.
 */
export function createApi(options: ApiOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  const { token } = options;
  const guards = [SAME_ORIGIN, ...(token === undefined ? [] : [requireToken(token)]), LIMIT];
  const api: Api = { ...options, app, guards };
  // users:start
  addUserOperations(api);
  addOrgOperations(api);
  // users:end
  if (token !== undefined) {
    app.openAPIRegistry.registerComponent("securitySchemes", "token", {
      type: "http",
      scheme: "bearer",
    });
  }
  route(api, "get", "/openapi.json", async (context) =>
    context.json(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: { title: "Operations", version: "1" },
        servers: [{ url: "/" }],
        ...(token !== undefined && { security: [{ token: [] }] }),
      }),
    ),
  );
  app.onError((error, context) => {
    const problem = problemOf(error);
    if (problem === undefined) {
      options.onDefect(error, { method: context.req.method, path: context.req.path });
    }
    const { status, ...body } = problem ?? INTERNAL;
    const headers = error instanceof Refusal ? error.headers : {};
    return context.body(JSON.stringify({ ...body, status }), status, {
      ...headers,
      "content-type": "application/problem+json",
    });
  });
  return app;
}
