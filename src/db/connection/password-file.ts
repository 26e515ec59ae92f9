import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { errorCode } from "../base/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Whose password is looked for. */
export interface Login {
  readonly hosts: readonly { readonly name: string; readonly port: string }[];
  readonly database: string;
  readonly user: string;
}

/** What the password file has to say. */
export interface FoundPassword {
  readonly password?: string;
  /** The file is not read: why. */
  readonly warning?: string;
}

const OTHERS_MAY_READ = 0o077;

/**
 * Looks in the file of `passfile`, else `PGPASSFILE`, else `~/.pgpass`, as libpq does: the first
 * line that fits, and no file that others may read.
 */
export function lookUpPassword(
  login: Login,
  passfile: string | undefined,
  env: Environment,
): FoundPassword {
  const file = passfile || env.PGPASSFILE || ownFile(env);
  try {
    const kind = statSync(file);
    const { mode } = kind;
    // A pipe would be read for ever.
    if (!kind.isFile()) {
      return { warning: `the password file ${file} is not read, because it is no plain file` };
    }
    if (process.platform !== "win32" && (mode & OTHERS_MAY_READ) !== 0) {
      return {
        warning: `the password file ${file} is not read, because others may read it (mode ${(mode & 0o777).toString(8)}): chmod 600 ${file}`,
      };
    }
    const password = passwordIn(readFileSync(file, "utf8"), login);
    return password === undefined ? {} : { password };
  } catch (error) {
    const code = errorCode(error);
    const isAsked = passfile || env.PGPASSFILE;
    if (code === "ENOENT" && !isAsked) return {};
    return { warning: `the password file ${file} cannot be read (${code ?? String(error)})` };
  }
}

function ownFile(env: Environment): string {
  if (process.platform === "win32") {
    return join(env.APPDATA ?? homedir(), "postgresql", "pgpass.conf");
  }
  return join(env.HOME || homedir(), ".pgpass");
}

const LINE = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/s;

/** The password of the first line `host:port:database:user:password` that fits one of the hosts. */
export function passwordIn(text: string, login: Login): string | undefined {
  const lines = text
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .flatMap((line) => {
      const [, ...fields] = LINE.exec(line) ?? [];
      const password = fields.pop();
      return password === undefined ? [] : [{ fields, password: unescaped(password) }];
    });
  for (const { name, port } of login.hosts) {
    const wanted = [name, port, login.database, login.user];
    const found = lines.find(({ fields }) =>
      fields.every((field, i) => field === "*" || unescaped(field) === wanted[i]),
    );
    if (found !== undefined) return found.password;
  }
  return undefined;
}

function unescaped(field: string): string {
  return field.replace(/\\(.)/gs, "$1");
}
