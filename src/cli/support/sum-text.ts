/** What was written to the sum file. */
export function sumText(sum: {
  readonly file: string;
  readonly head: string;
  readonly migrations: number;
}): string {
  const { file, head, migrations } = sum;
  return `Wrote ${file}: ${migrations} migration${migrations === 1 ? "" : "s"}, head ${head}.`;
}
