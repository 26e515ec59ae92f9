import type { Question } from "./model.ts";

/** What drizzle-kit's process says. */
export type KitMessage =
  /** Its bundle is not the known one: nothing of it was run. */
  | { readonly type: "unknown-bundle"; readonly missing: readonly string[] }
  /** The configuration as it understands it; it waits for a reply. */
  | { readonly type: "configured"; readonly dialect: string; readonly prefix: string }
  | { readonly type: "exports"; readonly file: string; readonly exports: readonly SchemaExport[] }
  /** Waits for a reply. */
  | ({ readonly type: "question" } & Question)
  | { readonly type: "prompting" }
  | { readonly type: "prompted"; readonly choice: number }
  /** What its stdout would show. */
  | { readonly type: "output"; readonly text: string }
  /** It is done, and writes the files next. */
  | { readonly type: "result"; readonly statements: readonly string[] };

/** What it is told. */
export type KitReply =
  | { readonly out: string }
  /** The place among the choices, 0 for new; or to ask a person. */
  | { readonly pick: number | "prompt" };

/** Something that a schema file exports. */
export interface SchemaExport {
  readonly kind: "table" | "enum" | "sequence" | "view";
  readonly schema: string;
  readonly name: string;
  /** Name of the export. */
  readonly as: string;
  /** Equal for the same object, whatever exports it. */
  readonly identity: number;
}

export interface HookSettings {
  /** Real path of drizzle-kit's `bin.cjs`. */
  readonly bin: string;
  /** stdout is a terminal, which only shows questions. */
  readonly terminal: boolean;
}

/** Field that distinguishes our messages from others on the channel. */
export const MARK = "tidemark";

/**
 * The script that is loaded before drizzle-kit (`node --require`). It compiles its bundle with five
 * kinds of places replaced, and stops if one of them is missing: it never guesses at another version.
 * Text, not a module: it must not depend on how this file is compiled. All decisions are the parent's.
 */
export function hookScript(settings: HookSettings): string {
  return `"use strict";
const Module = require("node:module");
const settings = ${JSON.stringify(settings)};
const send = (message, then) => process.send({ ${MARK}: true, ...message }, then);
const request = (message) =>
  new Promise((resolve) => {
    process.once("message", resolve);
    send(message);
  });

const places = [
  ["the configuration", 1, /return prepareGenerateConfig\\(opts, from\\);/g,
    () => "return __tidemark.configured(await prepareGenerateConfig(opts, from));"],
  ["the questions", 9, /\\b(schemas|enums|sequences|role|tables|columns|policy|indPolicy|views)Resolver = async \\(input\\) => \\{/g,
    (match, name) => match + " __tidemark.enter(" + JSON.stringify(name) + ", input);"],
  ["the prompts", 4, /await (\\(0, import_hanji\\d*\\.render\\)\\(\\s*new Resolve(?:ColumnSelect|SelectNamed|Select|SchemasSelect)\\(((?:tableName, )?created, promptData(?:, entity)?)\\)\\s*\\))/g,
    (match, prompt) => "await __tidemark.ask(promptData, () => " + prompt + ")"],
  ["the result", 1, /if \\(type === "none"\\) \\{\\s*console\\.log\\(schema\\d*\\(cur\\)\\);/g,
    () => '__tidemark.result(sqlStatements); if (type === "none") {'],
  ["the schema files", 1, /const prepared = prepareFromExports\\d*\\(i0\\);(?=\\s*tables\\.push\\(\\.\\.\\.prepared\\.tables\\);\\s*enums\\.push\\()/g,
    (match) => match + " __tidemark.exports(it, i0, prepared);"],
];

const patched = (content) => {
  const missing = [];
  let text = content;
  for (const [name, count, pattern, replace] of places) {
    let found = 0;
    text = text.replace(pattern, (...match) => {
      found += 1;
      return replace(...match);
    });
    if (found !== count) missing.push(name);
  }
  if (missing.length === 0) return text;
  send({ type: "unknown-bundle", missing }, () => process.exit(1));
  return undefined;
};

// Bun compiles by itself, past the prototype: the bundle is run from here, and nothing as the script.
const runHere = (filename) => {
  const { readFileSync } = require("node:fs");
  const { dirname } = require("node:path");
  require("bun").plugin({
    name: "tidemark",
    setup: (build) =>
      build.onLoad({ filter: /[\\\\/]bin\\.cjs$/ }, ({ path }) => ({
        contents: path === filename ? "" : readFileSync(path, "utf8"),
        loader: "js",
      })),
  });
  const text = patched(readFileSync(filename, "utf8").replace(/^#!.*/, ""));
  if (text === undefined) return;
  const module = { exports: {} };
  const body = new Function("exports", "require", "module", "__filename", "__dirname", text);
  setImmediate(() => {
    body(module.exports, Module.createRequire(filename), module, filename, dirname(filename));
  });
};

if (process.versions.bun) runHere(settings.bin);
else {
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (content, filename, ...rest) {
    if (filename !== settings.bin) return compile.call(this, content, filename, ...rest);
    Module.prototype._compile = compile;
    const text = patched(content);
    return text === undefined ? undefined : compile.call(this, text, filename, ...rest);
  };
}

const kinds = {
  schemas: "schema", enums: "enum", sequences: "sequence", role: "role", tables: "table",
  columns: "column", policy: "policy", indPolicy: "policy", views: "view",
};
let asking;
const fullName = ({ name, schema }) => {
  switch (asking.resolver) {
    case "schemas": case "role": case "indPolicy": return [name];
    case "columns": case "policy": return [asking.schema || "public", asking.table, name];
    default: return [schema || "public", name];
  }
};

let showing = false;
if (settings.terminal) {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = (chunk, ...rest) => {
    if (showing) return write(chunk, ...rest);
    send({ type: "output", text: String(chunk) });
    const then = rest.find((it) => typeof it === "function");
    if (then) process.nextTick(then);
    return true;
  };
}

const identities = new Map();
const identityOf = (value) => {
  if (!identities.has(value)) identities.set(value, identities.size);
  return identities.get(value);
};
const tableName = Symbol.for("drizzle:Name");
const tableSchema = Symbol.for("drizzle:Schema");
const viewConfig = Symbol.for("drizzle:ViewBaseConfig");

globalThis.__tidemark = {
  async configured(config) {
    const { dialect, prefix } = config;
    const { out } = await request({ type: "configured", dialect, prefix });
    return { ...config, out };
  },
  enter(resolver, input) {
    asking = { resolver, table: input.tableName, schema: input.schema };
  },
  async ask(choices, prompt) {
    const [created, ...renames] = choices;
    const { pick } = await request({
      type: "question",
      kind: kinds[asking.resolver],
      created: fullName(created),
      candidates: renames.map(({ from }) => fullName(from)),
    });
    if (pick !== "prompt") return { status: "submitted", data: choices[pick] };
    send({ type: "prompting" });
    showing = true;
    const answer = await prompt();
    if (answer.status === "submitted") {
      send({ type: "prompted", choice: choices.indexOf(answer.data) });
    }
    return answer;
  },
  exports(file, values, prepared) {
    const groups = [
      ["table", prepared.tables, (it) => [it[tableSchema], it[tableName]]],
      ["enum", prepared.enums, (it) => [it.schema, it.enumName]],
      ["sequence", prepared.sequences, (it) => [it.schema, it.seqName]],
      ["view", [...prepared.views, ...prepared.matViews], (it) => [it[viewConfig].schema, it[viewConfig].name]],
    ];
    const known = new Map();
    for (const [kind, list, nameOf] of groups) {
      for (const it of list) {
        const [schema, name] = nameOf(it);
        known.set(it, { kind, schema: schema || "public", name, identity: identityOf(it) });
      }
    }
    const exports = Object.entries(values).flatMap(([as, value]) => {
      const object = known.get(value);
      return object === undefined ? [] : [{ ...object, as }];
    });
    send({ type: "exports", file, exports });
  },
  result(statements) {
    showing = false;
    // The files are written before the message is out. Nothing that a schema file opened
    // (a database, a timer) must keep the process alive.
    send({ type: "result", statements }, () => setImmediate(() => process.exit()));
  },
};
`;
}
