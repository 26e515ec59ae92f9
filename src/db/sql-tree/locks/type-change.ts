import type { Node, TypeName } from "libpg-query";
import { pathOfTexts } from "../tree.ts";
import type { ColumnType, Scene } from "./scene.ts";

/** A type as SQL writes it. */
export function columnTypeOf(type: TypeName | undefined): ColumnType | undefined {
  const name = pathOfTexts(type?.names).at(-1);
  if (type === undefined || name === undefined) return undefined;
  const modifiers = (type.typmods ?? []).flatMap((node) => {
    const value = "A_Const" in node ? node.A_Const.ival : undefined;
    return value === undefined ? [] : [value.ival ?? 0];
  });
  return { name: (type.arrayBounds ?? []).length > 0 ? `_${name}` : name, modifiers };
}

export const SERIALS: ReadonlySet<string> = new Set([
  "smallserial",
  "serial",
  "bigserial",
  "serial2",
  "serial4",
  "serial8",
]);

const TIMES: ReadonlySet<string> = new Set(["time", "timetz", "timestamp", "timestamptz"]);

/** Types that lose nothing when they lose their modifier; a `char` without one is `char(1)`. */
const OPEN: ReadonlySet<string> = new Set(["varchar", "varbit", "numeric", "interval", ...TIMES]);

/** Whether ALTER COLUMN … TYPE writes the table anew, as far as is known: the server looks whether the bytes can stay. */
export function rewritesOnChange(
  from: ColumnType | undefined,
  to: ColumnType | undefined,
  { facts, constrainedDomains }: Scene,
): boolean {
  if (from === undefined || to === undefined) return true;
  if (from.name !== to.name) {
    const isTime = [from.name, to.name].sort().join() === "timestamp,timestamptz";
    if (isTime) return !facts.isUtc || to.modifiers.length > 0;
    const isBinary = facts.binaryCasts.has(`${from.name}>${to.name}`);
    return !isBinary || to.modifiers.length > 0 || constrainedDomains.has(to.name);
  }
  const isSame = from.modifiers.join() === to.modifiers.join();
  if (isSame) return false;
  if (to.modifiers.length === 0) return !OPEN.has(to.name);
  return narrows(from, to);
}

/** Types that sort alike: an index on one serves the other. */
const ALIKE: ReadonlySet<string> = new Set(["varchar>text", "text>varchar", "cidr>inet"]);

/** Whether an index on a column is built anew for its new type. */
export function sortsAnew(from: ColumnType | undefined, to: ColumnType | undefined): boolean {
  return from?.name !== to?.name && !ALIKE.has(`${from?.name}>${to?.name}`);
}

/** Whether a value of one may not fit into the other as it is. */
function narrows({ name, modifiers: from }: ColumnType, { modifiers: to }: ColumnType): boolean {
  const [size = 0, scale = 0] = to;
  if (TIMES.has(name)) return size < (from[0] ?? MOST_DIGITS);
  if (from.length === 0) return true;
  const [sizeBefore = 0, scaleBefore = 0] = from;
  switch (name) {
    case "varchar":
    case "varbit":
      return size < sizeBefore;
    case "numeric":
      return scale !== scaleBefore || size < sizeBefore;
    default:
      return true;
  }
}

/** Of a second. */
const MOST_DIGITS = 6;

/** USING that names only the column, or casts it to its new type. */
export function isItself(using: Node, name: string, to: ColumnType | undefined): boolean {
  if ("TypeCast" in using) {
    const { arg, typeName } = using.TypeCast;
    const cast = columnTypeOf(typeName);
    const isSame = cast?.name === to?.name && cast?.modifiers.join() === to?.modifiers.join();
    return isSame && arg !== undefined && "ColumnRef" in arg && isItself(arg, name, to);
  }
  return "ColumnRef" in using && pathOfTexts(using.ColumnRef.fields).join() === name;
}

/** Whether a default may give another value for each row. */
export function isVolatile(tree: Node | undefined, scene: Scene): boolean {
  return callsIn(tree).some((name) => scene.volatileFunctions.has(name));
}

function callsIn(tree: unknown): readonly string[] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([field, body]) => {
    const name = field === "FuncCall" ? pathOfTexts((body as { funcname?: Node[] }).funcname) : [];
    return [...name.slice(-1), ...callsIn(body)];
  });
}

/** Whether a CHECK that holds proves that a column has no NULL: `x IS NOT NULL`, alone or AND more. */
export function provesNotNull(tree: Node | undefined, column: string): boolean {
  if (tree === undefined) return false;
  if ("BoolExpr" in tree) {
    const { boolop, args = [] } = tree.BoolExpr;
    return boolop === "AND_EXPR" && args.some((arg) => provesNotNull(arg, column));
  }
  if (!("NullTest" in tree) || tree.NullTest.nulltesttype !== "IS_NOT_NULL") return false;
  const { arg } = tree.NullTest;
  return (
    arg !== undefined && "ColumnRef" in arg && pathOfTexts(arg.ColumnRef.fields).at(-1) === column
  );
}
