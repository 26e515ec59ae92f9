import { identifier, literal } from "../base/quote.ts";
import { databaseWants, ledgerWants } from "./database-wants.ts";
import { refuseNames } from "./findings.ts";
import type { Setup, Want } from "./init-types.ts";
import { serverWants } from "./server-wants.ts";

/**
 * The same for psql, for those who may not run it themselves: it may be run again at any time.
 *
 * @throws MigrateError `config`
 *
 * The ledger is left to the first `tidemark migrate`, which keeps it from being written by others.
 */
export function initScript(setup: Setup): string {
  refuseNames(setup);
  const { database, owner, deployer, app } = setup;
  const variables = [
    ...(deployer === undefined
      ? [["owner_password", owner.name]]
      : [["deployer_password", deployer.name]]),
    ["app_password", app.name],
  ];
  return [
    `-- Prepares ${oneLineComment(database)} for \`tidemark migrate\`. Run it with psql, as a superuser or as a role with`,
    "-- CREATEROLE and CREATEDB; again at any time. It changes nothing that is as it should be.",
    ...variables.map(
      ([variable, role]) =>
        `-- Password of ${oneLineComment(role ?? "")}: -v ${variable}=…, or afterwards \\password ${identifier(role ?? "")}`,
    ),
    "\\set ON_ERROR_STOP on",
    "",
    ...serverWants(setup).map(stepOf),
    `\\connect -reuse-previous=on "${databaseParameter(database).replaceAll('"', '""')}"`,
    "",
    ...databaseWants(setup).map(stepOf),
    ...ledgerWants(setup).map(stepOf),
  ].join("\n");
}

/** As a parameter: a bare name that looks like a URL, or like parameters, would lead elsewhere. */
function databaseParameter(name: string): string {
  return `dbname='${name.replaceAll(/[\\']/g, "\\$&")}'`;
}

function stepOf({ what, lacking, password }: Want): string {
  const run = `-- ${oneLineComment(what)}\n${lacking} \\gexec\n`;
  if (password === undefined) return run;
  const { role, variable } = password;
  // Variables are put in by psql, within no literal: `:'name'` is one of its own.
  return `-- ${oneLineComment(what)}
select count(*) = 0 as tidemark_is_new from pg_roles where rolname = ${literal(role.name)} \\gset
${lacking} \\gexec
\\if :tidemark_is_new
\\if :{?${variable}}
alter role ${identifier(role.name)} password :'${variable}';
\\endif
\\endif
`;
}

function oneLineComment(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
