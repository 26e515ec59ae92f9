import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Keywords } from "../base/address.ts";
import { withoutBom } from "../base/files.ts";
import { errorCode, messageOf, Problem } from "../base/problem.ts";
import { isKnownParameter, parameterProblem } from "../base/url-parameters.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A service's settings, as libpq finds them: in the file of `PGSERVICEFILE`, else in `~/.pg_service.conf`, and where
 * that does not have it, in `pg_service.conf` of the folder `PGSYSCONFDIR`.
 *
 * @param askedBy for messages: `PGSERVICE`, `the database URL`
 * @throws Problem `config` for a file that cannot be read, a service that none has, and a line that says nothing
 */
export function readService(name: string, askedBy: string, env: Environment): Keywords {
  const looked: string[] = [];
  for (const { file, isOptional } of filesOf(env)) {
    const text = textOf(file, isOptional, { name, askedBy });
    if (text === undefined) {
      looked.push(`${file} does not exist`);
      continue;
    }
    const found = serviceIn(text, name, file);
    if (found !== undefined) return checked(found, name, file);
    looked.push(`${file} has no [${name}]`);
  }
  throw problem(
    `The service ${name}, which ${askedBy} names, was not found: ${looked.join("; ")}`,
    "Add it to a file, correct its name, or set PGSERVICEFILE (or PGSYSCONFDIR) to where it is.",
  );
}

function filesOf(env: Environment): readonly { file: string; isOptional: boolean }[] {
  const own =
    process.platform === "win32"
      ? join(env.APPDATA ?? homedir(), "postgresql", ".pg_service.conf")
      : join(env.HOME || homedir(), ".pg_service.conf");
  const first = env.PGSERVICEFILE || own;
  return [
    { file: first, isOptional: !env.PGSERVICEFILE },
    ...(env.PGSYSCONFDIR
      ? [{ file: join(env.PGSYSCONFDIR, "pg_service.conf"), isOptional: true }]
      : []),
  ];
}

/** Undefined where it need not be there and is not. */
function textOf(
  file: string,
  isOptional: boolean,
  { name, askedBy }: { readonly name: string; readonly askedBy: string },
): string | undefined {
  const unreadable = (why: string) =>
    problem(
      `The service file ${file} cannot be read, where ${askedBy} names the service ${name}: ${why}`,
      "Correct PGSERVICEFILE, or the rights of the file.",
    );
  try {
    const kind = statSync(file);
    // A pipe would be read for ever.
    if (kind.isFile()) return withoutBom(readFileSync(file, "utf8"));
    throw unreadable(kind.isDirectory() ? "it is a folder" : "it is a pipe or a device");
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (isOptional && errorCode(error) === "ENOENT") return undefined;
    throw unreadable(messageOf(error));
  }
}

/**
 * The settings of the first section `[name]`; undefined where there is none. The first of two lines for the same
 * setting counts. What stands in other sections is not looked at.
 *
 * @throws Problem `config` for a line in it that is no `name=value`, with its place
 */
export function serviceIn(text: string, name: string, file: string): Keywords | undefined {
  let found: Record<string, string> | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("[")) {
      if (found !== undefined) return found;
      if (line.startsWith(`[${name}]`)) found = {};
      continue;
    }
    if (found === undefined) continue;
    const [key, value] = settingIn(line, { file, line: index + 1 });
    found[key] ??= value;
  }
  return found;
}

function settingIn(
  line: string,
  place: { readonly file: string; readonly line: number },
): readonly [string, string] {
  const at = `${place.file}:${place.line}`;
  const equals = line.indexOf("=");
  const key = line.slice(0, Math.max(equals, 0));
  if (/^ldap:\/\//i.test(line)) {
    throw problem(
      `${at}: an ldap:// line asks a directory server for the settings, which Tidemark does not do`,
      "Write the settings themselves there: host=db.example.com and the like.",
      place,
    );
  }
  if (key === "service") {
    throw problem(
      `${at}: a service cannot name another service`,
      "Write the settings of that one here.",
      place,
    );
  }
  if (equals > 0 && isKnownParameter(key)) return [key, line.slice(equals + 1)];
  // No word of the line but a name: it may hold a password.
  const what = /^([a-z_]+)\s*=/i.exec(line)?.[1];
  const known = what !== undefined && isKnownParameter(what);
  throw problem(
    known
      ? `${at}: there is a space before the = of ${what}`
      : `${at}: ${what === undefined ? "the line is not name=value" : `${what} is not a setting of a connection`}`,
    known
      ? `Write ${what}=…, as libpq wants it.`
      : "Each line is a setting by libpq's name, such as host=db.example.com.",
    place,
  );
}

function checked(found: Keywords, name: string, file: string): Keywords {
  const wrong = parameterProblem(new URLSearchParams(found));
  if (wrong === undefined) return found;
  throw problem(`The service ${name} in ${file} ${wrong}`, "Correct it there.");
}

function problem(fact: string, remedy: string, place?: { file: string; line: number }): Problem {
  return new Problem({
    code: "config",
    fact: `${fact}.`,
    outcome: "nothing-run",
    remedy,
    ...(place && { place }),
  });
}
