import { quotedIfNeeded } from "../base/quote.ts";
import { type Catalog, type Difference, withRoleRenamed } from "../catalog/index.ts";
import { MigrateError } from "../migrate/index.ts";
import type { ActingRole, ScratchDatabase, ScratchServer } from "../scratch/index.ts";
import { readRoles } from "../sql-tree/roles.ts";
import { refuseServerWide } from "../sql-tree/server-wide.ts";
import type { LiveDatabase } from "./live.ts";
import type { AppliedFile } from "./replay-applied.ts";
import type { DriftWarning } from "./versions.ts";

/** Which role stands for which on a scratch server, so that what migrations make has its right owner. */
export interface ScratchRoles {
  /** The scratch database, as the role that ran a migration in the live one. */
  readonly databaseOf: (role: string, database: ScratchDatabase) => Promise<ScratchDatabase>;
  /** The scratch catalog, with the stand-in's name replaced by that of the role it stands in for. */
  readonly asOfLive: (expected: Catalog) => Catalog;
  /** Whether a difference can come merely from who ran the migrations there. */
  readonly isArtefact: (difference: Difference) => boolean;
  readonly warnings: readonly DriftWarning[];
}

/**
 * On a server of our own: the live server's roles, and those that the history names but does not
 * make, each a superuser when it migrates. On another server no role is made: one role there runs
 * everything, and stands in for the one that did in the live database.
 *
 * @throws MigrateError `config` where the other server cannot run the history
 */
export async function prepareRoles(
  server: ScratchServer,
  live: Pick<LiveDatabase, "roles">,
  files: readonly AppliedFile[],
): Promise<ScratchRoles> {
  const migrating = new Set(files.map(({ by }) => by));
  if (!server.isOwn) return standIn(server, live.roles, files, migrating);
  const { named, made } = await readRoles(files.map(({ sql }) => sql));
  const roles = new Map(live.roles.map((role) => [role.name, role]));
  const wanted = new Set([...roles.keys(), ...named, ...migrating]);
  await server.lendRoles([...wanted].filter((name) => !made.includes(name)));
  return {
    databaseOf: (name, database) => server.actAs(roles.get(name) ?? { name }, database),
    asOfLive: (expected) => expected,
    isArtefact: (difference) => isHowTheyMigrate(difference, migrating),
    warnings: [],
  };
}

async function standIn(
  server: ScratchServer,
  liveRoles: readonly ActingRole[],
  files: readonly AppliedFile[],
  migrating: ReadonlySet<string>,
): Promise<ScratchRoles> {
  await refuseServerWide(files);
  const { named } = await readRoles(files.map(({ sql }) => sql));
  await refuseMissingRoles(server, named);
  // With `alter role … set role`, another role owns what it makes.
  const makers = new Set(
    [...migrating].map(
      (name) => liveRoles.find((role) => role.name === name)?.settings?.role ?? name,
    ),
  );
  const [maker = server.role, ...others] = makers;
  const isOne = others.length === 0;
  return {
    databaseOf: async (_role, database) => database,
    asOfLive: (expected) =>
      isOne && maker !== server.role ? withRoleRenamed(expected, server.role, maker) : expected,
    isArtefact: (difference) =>
      isHowTheyMigrate(difference, migrating) || (!isOne && isOfMaker(difference, makers, server)),
    warnings: (isOne
      ? named.includes(server.role) && maker !== server.role
        ? [
            `The migrations name ${server.role}, which replayed them on the scratch server in place of ${maker}: what belongs to ${server.role} there was treated as ${maker}'s. Without --scratch-url the roles are told apart.`,
          ]
        : []
      : [
          `Not compared: owners, default privileges and the owners' own grants. ${[...makers].toSorted().join(", ")} ran the migrations, and on the scratch server only ${server.role}. Without --scratch-url they are compared.`,
        ]
    ).map((message) => ({ kind: "roles", message })),
  };
}

function isHowTheyMigrate(difference: Difference, migrating: ReadonlySet<string>): boolean {
  return isNeededToMigrate(difference, migrating) || isActingAs(difference, migrating);
}

/** A deployer makes everything in its owner's name, by a setting of the database. */
function isActingAs({ kind, name }: Difference, migrating: ReadonlySet<string>): boolean {
  if (kind !== "database setting of a role") return false;
  return [...migrating].some((role) => name === `${quotedIfNeeded(role)}.role`);
}

/** The rights on schema public that a role needs to migrate, whoever granted them. */
function isNeededToMigrate(difference: Difference, migrating: ReadonlySet<string>): boolean {
  if (difference.kind !== "schema" || difference.name !== "public") return false;
  if (difference.change !== "different") return false;
  const { property, found } = difference;
  if (property === "owner") return migrating.has(found);
  return [...migrating].some((role) => property === `grants to ${role}`);
}

function isOfMaker(
  difference: Difference,
  makers: ReadonlySet<string>,
  { role }: ScratchServer,
): boolean {
  const { kind, change } = difference;
  if (kind === "default privileges") return true;
  if (change !== "different") return false;
  const { property } = difference;
  return property === "owner" || [...makers, role].some((name) => property === `grants to ${name}`);
}

async function refuseMissingRoles(server: ScratchServer, named: readonly string[]): Promise<void> {
  const there = new Set(await server.listRoles());
  const missing = named.filter((name) => !there.has(name));
  if (missing.length === 0) return;
  throw new MigrateError({
    code: "config",
    fact: `The migrations name roles that the scratch server does not have: ${missing.join(", ")}.`,
    outcome: "nothing-compared",
    remedy:
      "Create them there (`create role …`), or leave out --scratch-url: " +
      "on an embedded PostgreSQL they are created.",
  });
}
