import { jittered, pause } from "../../base/backoff.ts";
import { identifier, literal } from "../../base/quote.ts";
import { ask, transact } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import type { Run, Session } from "../run-types.ts";
import { backfillFunctions, createBackfillTables } from "./backfill-tables.ts";
import { ledgerFunctions } from "./functions.ts";
import { shareTables } from "./repeatable-rows.ts";
import { ledgerError, standbyError } from "./server-error.ts";
import { createTables, LEDGER_VERSION, upgradeTables } from "./tables.ts";

// Two sessions that create one thing at one time: unique_violation on a catalog,
// duplicate_schema, duplicate_table, duplicate_object.
const CATALOG_RACES = new Set(["23505", "42P06", "42P07", "42710"]);
const MOST_TRIES = 5;
// What a standby says to BEGIN READ WRITE.
const NOT_IN_RECOVERY = "0A000";

/** Creates the ledger where there is none, and upgrades an older one, among others that do the same. */
export async function createOrUpgradeLedger(
  session: Session,
  { schema, signal }: Pick<Run, "schema" | "signal">,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted();
    try {
      await transact(session, "bootstrap", createLedger(schema));
      return;
    } catch (error) {
      if (!isServerError(error)) throw error;
      if (error.code === NOT_IN_RECOVERY && (await isStandby(session))) {
        throw standbyError("it has no ledger yet", error);
      }
      if (!CATALOG_RACES.has(error.code) || tries === MOST_TRIES) throw ledgerError(schema, error);
      await pause(jittered(20 * tries));
    }
  }
}

/**
 * Creates schema and ledger where they are not there, and upgrades an older one: a transaction's
 * statements. An advisory lock of the transaction's own lets one session in at a time, and each looks
 * again once it has it.
 */
export function createLedger(schema: string): readonly string[] {
  const s = identifier(schema);
  return [
    "set local lock_timeout to '60s'",
    "set local statement_timeout to '60s'",
    `select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(${literal(`tidemark:${schema}`)}, 0))`,
    `do ${literal(`begin
  -- The role may lack the right to create a schema that is already there.
  if not exists (select from pg_catalog.pg_namespace where nspname = ${literal(schema)}) then
    create schema ${s};
  end if;
  if pg_catalog.to_regclass(${literal(`${s}.runner`)}) is null then
    execute ${literal(createTables(schema))};
    execute ${literal(createBackfillTables(schema))};
    execute ${literal(readOnlyForOthers(schema))};
  elsif (select r.ledger_version < ${LEDGER_VERSION} from ${s}.runner r where r.id = 1) then
    execute ${literal(upgradeTables(schema))};
    execute ${literal(createBackfillTables(schema))};
    execute ${literal(readOnlyForOthers(schema, LATER))};
    execute ${literal(shareTables(schema, LATER))};
  else
    return;
  end if;
  execute ${literal(ledgerFunctions(schema))};
  execute ${literal(backfillFunctions(schema))};
end`)}`,
  ];
}

/** Tables that came with a later version of the ledger. */
const LATER = ["repeatables", "backfills", "backfill_rows"];

/** What the role's default privileges have given away on tables that are new: others may read them, and no more. */
function readOnlyForOthers(schema: string, only?: readonly string[]): string {
  const which = only === undefined ? "" : ` and c.relname in (${only.map(literal).join(", ")})`;
  return `do ${literal(`declare given record;
begin
  for given in
    select distinct c.relname, c.relkind,
      case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
    from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
    where c.relnamespace = ${literal(identifier(schema))}::regnamespace and c.relkind in ('r', 'S')${which}
      and a.grantee <> c.relowner and a.privilege_type <> 'SELECT'
  loop
    execute format(
      case given.relkind
        when 'S' then 'revoke usage, update on sequence %I.%I from %s'
        else 'revoke insert, update, delete, truncate, references, trigger on table %I.%I from %s' end,
      ${literal(schema)}, given.relname, given.grantee);
  end loop;
end`)}`;
}

async function isStandby(session: Session): Promise<boolean> {
  const text = "select pg_catalog.pg_is_in_recovery() as tidemark_standby";
  return (await ask(session, "standby", text)).rows[0]?.tidemark_standby === true;
}
