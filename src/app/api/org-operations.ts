import { orgInputs as inputs } from "../../users/index.ts";
import { type Api, addChange, addCreation } from "./operation.ts";
import { addList, addOne } from "./read.ts";
import { listQuery } from "./schemas.ts";
import * as schemas from "./user-schemas.ts";

/** Every command on organisations as an HTTP operation, and what the projection has of them. */
export function addOrgOperations(api: Api): void {
  addList(
    api,
    { path: "/orgs", summary: "Organisations, by id", schema: schemas.orgs, query: listQuery },
    async ({ orgs }, { instanceId, after, limit }) => {
      const { items, next } = await orgs.list({ instanceId, after, limit });
      return { orgs: items, next };
    },
  );
  addOne(
    api,
    { path: "/orgs/{id}", summary: "One of them", what: "organisation", schema: schemas.org },
    ({ orgs }, instanceId, id) => orgs.one(instanceId, id),
  );
  addCreation(
    api,
    { method: "post", path: "/orgs", summary: "Add an organisation", input: inputs.add.strict() },
    ({ orgs }, call) => orgs.add(call),
  );
  addChange(
    api,
    {
      method: "put",
      path: "/orgs/{id}/name",
      summary: "Rename",
      input: inputs.rename.strict(),
    },
    ({ orgs }, call) => orgs.rename(call),
  );
  addChange(
    api,
    {
      method: "put",
      path: "/orgs/{id}/domain",
      summary: "Set the primary domain",
      input: inputs.setPrimaryDomain.strict(),
    },
    ({ orgs }, call) => orgs.setPrimaryDomain(call),
  );
  for (const name of ["deactivate", "reactivate"] as const) {
    const summary = name === "deactivate" ? "Deactivate: it takes nobody in" : "Reactivate";
    addChange(api, { method: "post", path: `/orgs/{id}/${name}`, summary }, ({ orgs }, call) =>
      orgs[name](call),
    );
  }
  addChange(
    api,
    { method: "delete", path: "/orgs/{id}", summary: "Remove it, and its users with it" },
    ({ orgs }, call) => orgs.remove(call),
  );
}
