// Runs tests on each supported PostgreSQL with each supported Node.js, and prints a table of what passed:
//
//   npm run test:matrix [-- [--postgres 14,15,16,17,18,stock] [--node 20.19,22,24] [--only integration,chaos,drift]
//     [<part of a test's path> …]]
//
// The servers and Node.js come from npm, in exact versions, and are kept below .tidemark; `stock` is the newest server of
// this machine (/usr/lib/postgresql/*/bin), with its own settings. What a run printed is kept in .tidemark/matrix. With
// parts of paths, only those files of the integration tests run. Exit code 1 if a test failed; NOT RUN is no failure.
import { parseArgs } from "node:util";
import { NODES, type Outcome, runCell, SERVERS, SUITES } from "./matrix/cell.ts";

const { values, positionals } = parseArgs({
  options: {
    postgres: { type: "string", default: SERVERS.join() },
    node: { type: "string", default: NODES.join() },
    only: { type: "string", default: SUITES.join() },
  },
  allowPositionals: true,
});
const servers = chosen("--postgres", values.postgres, SERVERS);
const nodes = chosen("--node", values.node, NODES);
const suites =
  positionals.length > 0 ? (["integration"] as const) : chosen("--only", values.only, SUITES);

const table: (readonly [string, ...Outcome[]])[] = [];
for (const server of servers) {
  const outcomes: Outcome[] = [];
  for (const node of nodes) {
    const outcome = await runCell({ server, node, suites, paths: positionals });
    outcomes.push(outcome);
    process.stderr.write(`PostgreSQL ${server}, Node ${node}: ${inWords(outcome)}\n`);
  }
  table.push([server, ...outcomes]);
}

console.log(`| PostgreSQL | ${nodes.map((node) => `Node ${node}`).join(" | ")} |`);
console.log(`|---|${nodes.map(() => "---|").join("")}`);
for (const [server, ...outcomes] of table) {
  console.log(`| ${server} | ${outcomes.map(inWords).join(" | ")} |`);
}
for (const [server, ...outcomes] of table) {
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome.kind === "not-run" || outcome.failures.length === 0) continue;
    console.log(`\nPostgreSQL ${server}, Node ${nodes[at]} (${outcome.log}):`);
    for (const failure of outcome.failures) console.log(`  ${failure}`);
    process.exitCode = 1;
  }
}

function inWords(outcome: Outcome): string {
  if (outcome.kind === "not-run") return `NOT RUN: ${outcome.why}`;
  const failed = outcome.failures.length > 0 ? `**${outcome.failures.length} failed**, ` : "";
  return `${failed}${outcome.passed} passed, ${outcome.seconds} s`;
}

/** Those of the known that an option names; without one of another name. */
function chosen<Name extends string>(
  option: string,
  value: string,
  known: readonly Name[],
): readonly Name[] {
  return value.split(",").map((word) => {
    const name = known.find((one) => one === word);
    if (name === undefined)
      throw new Error(`${option} has ${word}, which is none of ${known.join(", ")}`);
    return name;
  });
}
