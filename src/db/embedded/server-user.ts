import { readFile, stat } from "node:fs/promises";
import { ifThere } from "../base/files.ts";
import { errorCode } from "../base/problem.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import type { Layout } from "./server-folder.ts";

/** The user that the server runs as when the command runs as root. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

export interface PasswdEntry extends ServerUser {
  readonly name: string;
}

/**
 * The user to run the server as; undefined: as the caller. PostgreSQL refuses root, so root runs it
 * as the data folder's owner, or if that is new as `postgres`, else `nobody`. Never creates a user.
 */
export async function chooseServerUser(layout: Layout): Promise<ServerUser | undefined> {
  await refuseForeignData(layout);
  if (process.geteuid?.() !== 0) return undefined;
  const owner = await ownerOf(layout);
  if (owner?.uid === 0) {
    throw new EmbeddedServerError("data_owner", {
      fact: `${layout.dataDir} belongs to root, and PostgreSQL refuses to run as root.`,
      remedy: `Give it to another user (chown -R nobody "${layout.dataDir}"), or start over: npm run db:reset`,
    });
  }
  return owner ?? userForNewData(parsePasswd(await readFile("/etc/passwd", "utf8")));
}

/** Throws if the data folder belongs to another user; root may use any. */
export async function refuseForeignData(layout: Layout): Promise<void> {
  const caller = process.geteuid?.();
  const owner = caller === undefined || caller === 0 ? undefined : await ownerOf(layout);
  if (owner !== undefined && owner.uid !== caller) {
    throw new EmbeddedServerError("data_owner", {
      fact: `${layout.dataDir} belongs to user ${owner.uid}, and you are user ${caller}.`,
      remedy: `Run as that user or as root, or remove the folder: sudo rm -rf "${layout.dataDir}"`,
    });
  }
}

async function ownerOf(layout: Layout): Promise<ServerUser | undefined> {
  try {
    const owner = await ifThere(stat(layout.dataDir));
    return owner && { uid: owner.uid, gid: owner.gid };
  } catch (cause) {
    throw new EmbeddedServerError("data_owner", {
      fact: `${layout.dataDir} cannot be examined (${errorCode(cause)}).`,
      remedy: "Run as the user who made it.",
      cause,
    });
  }
}

function userForNewData(entries: readonly PasswdEntry[]): ServerUser {
  const named = (name: string) => entries.find((entry) => entry.name === name && entry.uid !== 0);
  // macOS names its system users with an underscore.
  const user = named("postgres") ?? named("_postgres") ?? named("nobody");
  if (user === undefined) {
    throw new EmbeddedServerError("no_server_user", {
      fact: "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody`.",
      remedy: "Run the command as an ordinary user.",
    });
  }
  return { uid: user.uid, gid: user.gid };
}

/** The entries of a passwd file; other lines are skipped. */
export function parsePasswd(text: string): readonly PasswdEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    return name && /^-?\d+$/.test(uid ?? "") && /^-?\d+$/.test(gid ?? "")
      ? [{ name, uid: Number(uid), gid: Number(gid) }]
      : [];
  });
}
