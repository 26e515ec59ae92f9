import type { Tree } from "./parse-code.ts";

/**
 * What code does, as a text that does not change with its comments, its formatting, its types or the parser's
 * version: each node's kind and fields, in an order of our own. What is empty, false or absent is left out, so
 * that a field which a newer parser adds with such a value changes nothing.
 *
 * @param importAs what stands for a relative import, in place of its path
 */
export function canonical(tree: Tree, importAs: (source: string) => string | undefined): string {
  const write = (value: unknown, key: string, within: string): string | undefined => {
    if (value === null || value === undefined || value === false || value === "") return undefined;
    if (Array.isArray(value)) return writeList(value, key);
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value !== "object") {
      const named = key === "value" && within === SOURCE ? importAs(String(value)) : undefined;
      return named ?? JSON.stringify(value);
    }
    return writeNode(value as Tree, key);
  };
  const writeList = (list: readonly unknown[], key: string) => {
    // A hole in a list of elements has its place; what is only a type has none.
    const items = list.filter((item) => !isNode(item) || !isErased(item));
    if (items.length === 0) return undefined;
    return `[${items.map((item) => write(item, key, "") ?? "").join(",")}]`;
  };
  const writeNode = (node: Tree, key: string): string | undefined => {
    if (isErased(node)) return undefined;
    const inner = WRAPPERS.has(String(node.type)) ? node.expression : undefined;
    if (isNode(inner)) return writeNode(inner, key);
    const within = key === "source" && node.type === "StringLiteral" ? SOURCE : "";
    const fields = Object.keys(node)
      .filter((name) => !isLeftOut(name, String(node.type)))
      .toSorted()
      .flatMap((name) => {
        const text = nameText(node, name) ?? write(node[name], name, within);
        return text === undefined ? [] : [`${name}:${text}`];
      });
    return `{${fields.join(",")}}`;
  };
  return writeNode(tree, "") ?? "";
}

const SOURCE = "source";

/** The name of a property: `a`, `"a"` and `1`, `"1"` are the same, and formatters make one of the other. */
function nameText(node: Tree, field: string): string | undefined {
  const isName = field === "key" && node.computed !== true;
  if (!isName && !(field === "id" && node.type === "TSEnumMember")) return undefined;
  const name = node[field];
  if (!isNode(name) || (name.type !== "StringLiteral" && name.type !== "NumericLiteral")) {
    return undefined;
  }
  return `{name:${JSON.stringify(String(name.value))},type:"Identifier"}`;
}

/** An empty literal is none the less a value: its node stands. */
const POSITIONS: ReadonlySet<string> = new Set([
  ...["start", "end", "loc", "range", "extra", "errors", "tokens", "comments", "interpreter"],
  ...["leadingComments", "trailingComments", "innerComments"],
]);

const TYPES: ReadonlySet<string> = new Set([
  ...["typeAnnotation", "returnType", "typeParameters", "typeArguments", "superTypeParameters"],
  ...["superTypeArguments", "implements", "accessibility", "override", "definite", "abstract"],
  ...["importKind", "exportKind", "predicate", "variance"],
]);

/** `a?.b` is more than a type. */
const OPTIONAL: ReadonlySet<string> = new Set([
  "OptionalMemberExpression",
  "OptionalCallExpression",
]);

function isLeftOut(name: string, type: string): boolean {
  if (POSITIONS.has(name) || TYPES.has(name)) return true;
  if (name === "optional") return !OPTIONAL.has(type);
  // `constructor(readonly x)` makes a property by being there at all.
  return name === "readonly" || (name === "const" && type === "TSEnumDeclaration");
}

/** Expressions of TypeScript whose value is that of what they hold. */
const WRAPPERS: ReadonlySet<string> = new Set([
  ...["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression", "TSTypeAssertion"],
  ...["TSInstantiationExpression", "ParenthesizedExpression"],
]);

const ERASED: ReadonlySet<string> = new Set([
  ...["TSInterfaceDeclaration", "TSTypeAliasDeclaration", "TSDeclareFunction", "TSDeclareMethod"],
  ...["TSIndexSignature", "TSNamespaceExportDeclaration", "EmptyStatement"],
]);

/** Whether a node is only about types. */
function isErased(node: Tree): boolean {
  const { type, declare, importKind, exportKind, declaration } = node;
  if (ERASED.has(String(type)) || declare === true) return true;
  if (importKind === "type" || exportKind === "type") return true;
  if (type === "Identifier" && node.name === "this") return true;
  // `export interface X {}`
  return type === "ExportNamedDeclaration" && isNode(declaration) && isErased(declaration);
}

function isNode(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && "type" in value;
}
