/** The URL of another database of the same server. */
export function replaceDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${encodeURIComponent(database)}`;
  return other.href;
}

/** The URL as another role, which has the same password. */
export function replaceUser(url: string, user: string): string {
  const other = new URL(url);
  other.username = encodeURIComponent(user);
  return other.href;
}

/** Where a URL leads, without its password. */
export function describeServer(url: string): string {
  const { username, host } = new URL(url);
  const user = username === "" ? "" : ` as ${decodeURIComponent(username)}`;
  return `${host || "the local socket"}${user}`;
}
