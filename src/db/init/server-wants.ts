import { identifier, literal } from "../base/quote.ts";
import type { RoleName, Setup, Want } from "./init-types.ts";

/** Everything that a server must have, before there is a database. Pure: each want looks for itself. */
export function serverWants(setup: Setup): readonly Want[] {
  const { owner, deployer, app, database } = setup;
  return [
    ownerRole(setup),
    ...(deployer === undefined ? [] : [loginRole(deployer, "deployer_password")]),
    loginRole(app, "app_password"),
    {
      // Needed to make a database for another role, and to grant in its name.
      what: `the admin acts as ${owner.name}`,
      lacking: `select format(
    case when current_setting('server_version_num')::int >= 160000
      then 'grant %I to %I with inherit true, set true' else 'grant %I to %I' end, r.rolname, current_user)
  from pg_roles r
  where r.rolname = ${literal(owner.name)} and r.rolname <> current_user
    and not (select rolsuper from pg_roles where rolname = current_user)
    and not (pg_has_role(r.oid, 'USAGE')
      and pg_has_role(r.oid, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end))`,
    },
    ...(deployer === undefined
      ? []
      : [
          {
            what: `${deployer.name} is a member of ${owner.name}`,
            lacking: `select format('grant %I to %I', o.rolname, d.rolname)
  from pg_roles o, pg_roles d
  where o.rolname = ${literal(owner.name)} and d.rolname = ${literal(deployer.name)}
    and not exists (select from pg_auth_members m where m.roleid = o.oid and m.member = d.oid)`,
          },
        ]),
    {
      what: `database ${database}`,
      lacking: `select ${literal(`create database ${identifier(database)} owner ${identifier(owner.name)}`)}
  where not exists (select from pg_database where datname = ${literal(database)})`,
    },
    ...(deployer === undefined
      ? []
      : [
          {
            what: `${deployer.name} acts as ${owner.name} in ${database}`,
            lacking: `select ${literal(
              `alter role ${identifier(deployer.name)} in database ${identifier(database)} set role to ${literal(owner.name)}`,
            )}
  where not exists (
    select from pg_db_role_setting s
    join pg_database d on d.oid = s.setdatabase join pg_roles r on r.oid = s.setrole
    where d.datname = ${literal(database)} and r.rolname = ${literal(deployer.name)}
      and ${literal(`role=${owner.name}`)} = any (s.setconfig))`,
          },
        ]),
  ];
}

function ownerRole({ owner, deployer }: Setup): Want {
  if (deployer === undefined) return loginRole(owner, "owner_password");
  return { what: `role ${owner.name}`, lacking: roleLacking(owner.name, "nologin") };
}

function loginRole(role: RoleName, variable: string): Want {
  return {
    what: `role ${role.name}`,
    lacking: roleLacking(role.name, "login"),
    password: { role, variable },
  };
}

function roleLacking(name: string, login: "login" | "nologin"): string {
  return `select ${literal(`create role ${identifier(name)} ${login}`)}
  where not exists (select from pg_roles where rolname = ${literal(name)})`;
}
