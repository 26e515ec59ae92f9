import type { ServerUser } from "./server-user.ts";

/**
 * How a program of PostgreSQL is started on a data folder: as `user` (undefined: as the caller).
 * Below a folder that this user may not enter (root's home is 0700), Linux still lets a process work
 * in a folder that it was started in: the working directory is entered before the user is changed,
 * and `/proc/self/cwd` names it.
 */
export function launchIn(dataDir: string, user: ServerUser | undefined) {
  const throughCwd = user !== undefined && process.platform === "linux";
  return {
    /** The argument of `-D`. */
    dataDir: throughCwd ? "/proc/self/cwd" : dataDir,
    options: {
      cwd: dataDir,
      env: serverEnvironment(process.env),
      windowsHide: true,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    },
  };
}

/**
 * The caller's environment without everything that would change the server: PG* (PGDATA, PGPORT,
 * PGCLIENTENCODING are settings to it), the locale (messages must be plain ASCII on every system;
 * macOS refuses to start without a valid one), and the machine's time zone.
 */
export function serverEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^(PG|LC_|LANG|TZ$)/i.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: "C", TZ: "UTC" };
}
