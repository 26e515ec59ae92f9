import { MigrateError } from "../migrate/index.ts";
import type { ActingRole, ScratchDatabase, ScratchServer } from "../scratch/index.ts";
import { readRoles } from "../sql-tree/roles.ts";
import { refuseServerWide } from "../sql-tree/server-wide.ts";
import type { LiveDatabase } from "./live.ts";
import type { Catalog, Difference } from "./load-catalogs.ts";
import type { AppliedFile } from "./replay-applied.ts";

/** Who is who on a scratch server, so that what migrations make there belongs to whom it belongs. */
export interface ScratchRoles {
  /** The scratch database, as the role that ran a migration in the live one. */
  readonly databaseOf: (role: string, database: ScratchDatabase) => Promise<ScratchDatabase>;
  /** The scratch catalog, with the stand-in's name replaced by that of the role it stands in for. */
  readonly asOfLive: (
    expected: Catalog,
    rename: (catalog: Catalog, from: string, to: string) => Catalog,
  ) => Catalog;
  /** Whether a difference can come of who ran the migrations there alone. */
  readonly isArtefact: (difference: Difference) => boolean;
  readonly warnings: readonly string[];
}

/**
 * On a server of our own: the live server's roles, and those that the history names, each a
 * superuser when it migrates; but for those that the history makes. On another server no role is
 * made: one role there runs everything, and stands in for the one that did in the live database.
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
    isArtefact: (difference) => isNeededToMigrate(difference, migrating),
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
  // With `alter role … set role`, what it makes is another's.
  const makers = new Set(
    [...migrating].map(
      (name) => liveRoles.find((role) => role.name === name)?.settings?.role ?? name,
    ),
  );
  const [maker = server.role, ...others] = makers;
  const isOne = others.length === 0;
  return {
    databaseOf: async (_role, database) => database,
    asOfLive: (expected, rename) =>
      isOne && maker !== server.role ? rename(expected, server.role, maker) : expected,
    isArtefact: (difference) =>
      isNeededToMigrate(difference, migrating) || (!isOne && isOfMaker(difference, makers, server)),
    warnings: isOne
      ? named.includes(server.role) && maker !== server.role
        ? [
            `The migrations name ${server.role}, as whom they were replayed on the scratch server in place of ${maker}: what is ${server.role}'s there was taken for ${maker}'s. Without --scratch-url the roles are told apart.`,
          ]
        : []
      : [
          `Not compared: owners, default privileges and the owners' own grants. ${[...makers].toSorted().join(", ")} ran the migrations, and on the scratch server ${server.role} alone. Without --scratch-url they are compared.`,
        ],
  };
}

/** The rights on schema public without which a role could not have migrated, whoever gave them. */
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
      "Create them there (`create role …`), or leave --scratch-url away: " +
      "an embedded PostgreSQL gets them by itself.",
  });
}
