import { describeTarget, replaceDatabase } from "../base/address.ts";
import { errorCode, messageOf } from "../base/problem.ts";
import { quotedIfNeeded } from "../base/quote.ts";
import { ASK_WHO_RAISES, isRaised, serverWords } from "../connection/server-words.ts";
import { isServerError } from "../connection/session.ts";
import { createLedger, MigrateError } from "../migrate/index.ts";
import { type Admin, withAdmin } from "../server/admin.ts";
import { databaseWants, ledgerWants } from "./database-wants.ts";
import { notesOn, refuseUnfit } from "./findings.ts";
import { fulfil } from "./fulfil.ts";
import type { InitOptions, InitReport, RoleName, Want } from "./init-types.ts";
import { serverWants } from "./server-wants.ts";

export type { InitOptions, InitReport, Setup } from "./init-types.ts";
export { ownServerSetup } from "./own-server.ts";
export { initScript } from "./script.ts";

/**
 * Makes what a database lacks before its first migration: itself, the roles, their rights, the ledger. Safe
 * to run at any time, by any number of processes at once. What is there in another form is left so, and noted.
 *
 * @throws MigrateError `connect`, `config`
 */
export async function initDatabase(options: InitOptions): Promise<InitReport> {
  const { adminUrl, database, owner, deployer, app, ledgerSchema, migrationUrl, appUrl } = options;
  const steps: InitReport["steps"][number][] = [];
  const make = async (admin: Admin, wants: readonly Want[]) => {
    for (const want of wants) steps.push(await made(admin, want));
  };
  await asAdmin(adminUrl, async (admin) => {
    await refuseUnfit(admin, options);
    await make(admin, serverWants(options));
  });
  const notes = await asAdmin(replaceDatabase(adminUrl, database), async (admin) => {
    await make(admin, databaseWants(options));
    if (migrationUrl !== undefined) {
      const isNew = await createLedger({ url: migrationUrl, ledgerSchema }).catch(
        (error: unknown) => {
          throw refusedLogin(error, migrationUrl, deployer ?? owner);
        },
      );
      steps.push({ what: `ledger in schema ${ledgerSchema}`, outcome: isNew ? "made" : "there" });
    }
    await make(admin, ledgerWants(options));
    return notesOn(admin, options);
  });
  if (appUrl !== undefined) {
    await withAdmin({ url: appUrl }, async () => undefined).catch((error: unknown) => {
      throw refusedLogin(error, appUrl, app);
    });
  }
  return {
    outcome: steps.some(({ outcome }) => outcome === "made") ? "made" : "there",
    database,
    owner: owner.name,
    deployer: deployer?.name,
    app: app.name,
    steps,
    notes,
  };
}

function asAdmin<T>(url: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const unreachable = (cause: unknown) =>
    new MigrateError({
      code: "connect",
      fact: `The server could not be reached at ${describeTarget(url)}: ${messageOf(cause)}.`,
      outcome: "nothing-run",
      remedy: "Check the admin's URL, and that the server is up.",
      cause,
    });
  return withAdmin({ url, unreachable }, work);
}

async function made(admin: Admin, want: Want) {
  try {
    return await fulfil(admin, want);
  } catch (error) {
    if (!isServerError(error)) throw error;
    throw new MigrateError({
      code: "config",
      fact: `${admin.role} could not make this: ${want.what}. The server says: ${serverWords(error)}`,
      remedy: isRaised(error)
        ? ASK_WHO_RAISES
        : "Run it again as a superuser, or as a role with CREATEROLE and CREATEDB; what was made stays. " +
          "`tidemark init --print` prints the SQL for somebody who may.",
      cause: error,
    });
  }
}

/** The role was there with another password, or the server lets it in from elsewhere only. */
function refusedLogin(error: unknown, url: string, { name }: RoleName): unknown {
  const cause = error instanceof MigrateError ? error.cause : error;
  const state = errorCode(cause);
  const isRefused = state !== undefined && ["28P01", "28000"].includes(state);
  if (!isRefused && error instanceof MigrateError) return error;
  return new MigrateError({
    code: "connect",
    fact: `${name} could not log in at ${describeTarget(url)}: ${messageOf(cause)}.`,
    remedy: `${
      isRefused
        ? `A role that was there keeps its password: correct the URL, or set another one (\`\\password ${quotedIfNeeded(name)}\` in psql). `
        : "Mend what the server says. "
    }Everything else is made; run it again then.`,
    cause: error,
  });
}
