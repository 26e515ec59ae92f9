import { z } from "@hono/zod-openapi";

/** `after` of the next page. */
export const next = z
  .string()
  .nullable()
  .openapi({ description: "`after` of the next page; null: this is the last." });

/** What a command is answered with. */
export const done = z
  .object({
    id: z.string(),
    version: z.number().int(),
    position: z.number().int(),
  })
  .openapi("Done", { description: "`position` is what `waitFor` takes." });

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string(),
    detail: z.string().optional(),
    fields: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    expected: z.union([z.number().int(), z.string()]).optional(),
    actual: z.number().int().optional(),
    field: z.string().optional(),
    value: z.string().optional(),
  })
  .openapi("Problem", { description: "RFC 9457. Match on `code`." });

export const idParams = z.object({ id: z.string() });

/** Of every request. */
export const instanceHeader = z.object({ "X-Instance": z.string().optional() });

/** Of every command. */
export const commandHeaders = instanceHeader.extend({
  "X-Actor": z.string().optional(),
  "Idempotency-Key": z.string().optional(),
  Prefer: z.string().optional().openapi({ example: "wait=5" }),
});

/** Of every command on what is there. */
export const changeHeaders = commandHeaders.extend({
  "If-Match": z.string().optional().openapi({ example: '"3"' }),
});

const limit = z.coerce.number().int().min(1).max(500).default(100);
const position = z.coerce.number().int().min(0).optional();
const after = z.string().optional();

/** Read your writes: `waitFor` is the `position` of an answer. */
export const oneQuery = z.object({ waitFor: position });
export const listQuery = z.object({ waitFor: position, after, limit });
