/** The URL of our own server as another role, which has the same password. */
export function replaceUser(url: string, user: string): string {
  const other = new URL(url);
  other.username = encodeURIComponent(user);
  return other.href;
}
