import type { Node } from "libpg-query";
import type { SqlName } from "../repeatable-types.ts";
import type { Parser } from "../sql/grammar.ts";
import type { Statement } from "../sql/statements.ts";
import { EXTENSION, nameWithin } from "./given-names.ts";
import { namesIn } from "./names-in.ts";
import { namesOf, objectsIn } from "./sql-names.ts";

/** A name that a statement uses. */
export interface UsedName {
  readonly name: SqlName;
  /** Needed when it runs, not when it is made: the body of a PL/pgSQL function. */
  readonly isLate: boolean;
}

/**
 * The names that a statement uses, also in the bodies of functions: of `language sql`, of `begin atomic`, and of
 * PL/pgSQL as far as the grammar reads it. What `execute` puts together is not seen.
 */
export function usedBy({ tree, text }: Statement, parser: Parser): readonly UsedName[] {
  const own = [...namesIn(tree).map((name) => ({ name, isLate: false })), ...wishes(tree)];
  if ("DoStmt" in tree) {
    const code = bodyOf(tree.DoStmt.args);
    // Run at once, and yet in the order of its own: what it needs, it needs now.
    return [...own, ...plpgsqlNames(asFunction(code ?? ""), parser, false)];
  }
  if (!("CreateFunctionStmt" in tree)) return own;
  const { options = [] } = tree.CreateFunctionStmt;
  const language = optionOf(options, "language") ?? "sql";
  const body = bodyOf(options);
  if (body === undefined) return own;
  if (language === "sql") {
    return [...own, ...sqlNames(body, parser).map((name) => ({ name, isLate: false }))];
  }
  return language === "plpgsql" ? [...own, ...plpgsqlNames(text, parser, true)] : own;
}

function sqlNames(sql: string, parser: Parser): readonly SqlName[] {
  return namesIn(treeOf(sql, parser));
}

/** Undefined where it is no SQL. */
function treeOf(sql: string, parser: Parser): ReturnType<Parser["parse"]> | undefined {
  try {
    return parser.parse(sql);
  } catch {
    return undefined;
  }
}

/** The statements of a `do` block. */
export function statementsOfBlock(tree: Node, parser: Parser): readonly Node[] {
  const code = "DoStmt" in tree ? bodyOf(tree.DoStmt.args) : undefined;
  if (code === undefined) return [];
  return [...objectsIn(parsePlpgsql(asFunction(code), parser))].flatMap(([field, body]) => {
    if (field !== "PLpgSQL_expr" || !("query" in body)) return [];
    const { stmts = [] } = treeOf(asQuery(body as PlpgsqlExpression), parser) ?? {};
    return stmts.flatMap(({ stmt }) => stmt ?? []);
  });
}

function plpgsqlNames(text: string, parser: Parser, isLate: boolean): readonly UsedName[] {
  const names: UsedName[] = [];
  for (const [field, body] of objectsIn(parsePlpgsql(text, parser))) {
    if (field === "PLpgSQL_expr" && "query" in body) {
      const used = sqlNames(asQuery(body as PlpgsqlExpression), parser);
      names.push(...used.map((name) => ({ name, isLate })));
    } else if (field === "PLpgSQL_type" && "typname" in body) {
      // Types of variables are looked up when the function is made.
      const used = typeNames(String(body.typname), parser);
      names.push(...used.map((name) => ({ name, isLate: false })));
    }
  }
  return names;
}

/** Of a variable's type: `x`, `x[]`, `x%rowtype`, `x.y%type`. */
function typeNames(type: string, parser: Parser): readonly SqlName[] {
  const [name = "", suffix] = type.split("%");
  if (suffix === undefined) return sqlNames(`select null::${type}`, parser);
  const isOfColumn = suffix.trim().toLowerCase().startsWith("type");
  const relations = sqlNames(`select from ${name}`, parser);
  if (!isOfColumn) return relations;
  return sqlNames(`comment on column ${name} is null`, parser);
}

/** What is better there before, and not known to be needed. */
function wishes(tree: Node): readonly UsedName[] {
  const { GrantStmt: grant } = "GrantStmt" in tree ? tree : {};
  const all = grant?.targtype === "ACL_TARGET_ALL_IN_SCHEMA" ? namesOf(grant.objects) : [];
  const names = [EXTENSION, ...all.map((schema) => nameWithin("all of", [schema]))];
  return names.map((name) => ({ name, isLate: true }));
}

interface PlpgsqlExpression {
  readonly query: string;
  /** 0: a statement; 2: an expression; 3 and more: an assignment. */
  readonly parseMode?: number;
}

function asQuery({ query, parseMode = 0 }: PlpgsqlExpression): string {
  if (parseMode === 0) return query;
  return `select ${parseMode === 2 ? query : query.replace(/^[^=]*?:?=/, "")}`;
}

function parsePlpgsql(text: string, parser: Parser): unknown {
  try {
    return parser.parsePlpgsql(text);
  } catch {
    return undefined;
  }
}

function asFunction(code: string): string {
  let quote = "$tidemark$";
  while (code.includes(quote)) quote = quote.replace("$t", "$_t");
  return `create function tidemark() returns void language plpgsql as ${quote}${code}${quote}`;
}

function optionOf(options: readonly Node[], name: string): string | undefined {
  for (const option of options) {
    if (!("DefElem" in option) || option.DefElem.defname !== name) continue;
    const { arg } = option.DefElem;
    return arg && "String" in arg ? arg.String.sval : undefined;
  }
  return undefined;
}

/** The text between the quotes of `as`. */
function bodyOf(options: readonly Node[] = []): string | undefined {
  for (const option of options) {
    if (!("DefElem" in option) || option.DefElem.defname !== "as") continue;
    const { arg } = option.DefElem;
    if (arg && "List" in arg) return namesOf(arg.List.items)[0];
    return arg && "String" in arg ? arg.String.sval : undefined;
  }
  return undefined;
}
