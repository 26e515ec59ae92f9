import type { Tree } from "./parse-code.ts";

/** A relative import. */
export interface Import {
  /** As written: `./helper.ts`. */
  readonly source: string;
  /** Of its text, in UTF-16 units. */
  readonly offset: number;
}

/** The relative imports of code, in its order; those of types alone are none. */
export function importsOf(tree: Tree): readonly Import[] {
  const found: Import[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return;
    const node = value as Tree;
    const source = sourceOf(node);
    if (source !== undefined) found.push(source);
    for (const [name, field] of Object.entries(node)) {
      if (name !== "loc" && typeof field === "object") visit(field);
    }
  };
  visit(tree);
  return found;
}

function sourceOf(node: Tree): Import | undefined {
  const { type, importKind, exportKind } = node;
  switch (type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "ExportNamedDeclaration":
      return importKind === "type" || exportKind === "type" ? undefined : relative(node.source);
    case "ImportExpression":
      return relative(node.source);
    case "CallExpression": {
      const { callee, arguments: given } = node as {
        callee?: Tree;
        arguments?: readonly unknown[];
      };
      const isImport =
        callee?.type === "Import" || (callee?.type === "Identifier" && callee.name === "require");
      return isImport ? relative(given?.[0]) : undefined;
    }
    default:
      return undefined;
  }
}

function relative(literal: unknown): Import | undefined {
  if (typeof literal !== "object" || literal === null) return undefined;
  const { type, value, start } = literal as Tree;
  if (type !== "StringLiteral" || typeof value !== "string" || !/^\.\.?(\/|$)/.test(value)) {
    return undefined;
  }
  return { source: value, offset: typeof start === "number" ? start : 0 };
}
