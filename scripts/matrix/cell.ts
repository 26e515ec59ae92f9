import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { delimiter, join, relative } from "node:path";

export const SERVERS = ["14", "15", "16", "17", "18", "stock"] as const;
export const NODES = ["20.19", "22", "24"] as const;
/** Each with what vitest is told, and the environment. `drift` is what compares two major versions. */
const RUNS = {
  integration: { args: ["--project", "integration"], env: {} },
  chaos: { args: ["--project", "integration", ".chaos.test"], env: { CHAOS_RUNS: "25" } },
  drift: {
    args: ["--config", "vitest.legs.config.ts", "--project", "stock", "drift/versions"],
    env: {},
  },
} as const;
export const SUITES = [
  "integration",
  "chaos",
  "drift",
] as const satisfies readonly (keyof typeof RUNS)[];

export interface Cell {
  readonly server: (typeof SERVERS)[number];
  readonly node: (typeof NODES)[number];
  readonly suites: readonly (typeof SUITES)[number][];
  /** Parts of paths: only these files, or all. */
  readonly paths: readonly string[];
}

export type Outcome =
  | { readonly kind: "not-run"; readonly why: string }
  | {
      readonly kind: "ran";
      readonly passed: number;
      /** Names of the tests that failed, or what else went wrong. */
      readonly failures: readonly string[];
      readonly seconds: number;
      /** What the run printed. */
      readonly log: string;
    };

const ROOT = join(import.meta.dirname, "../..");
const KEPT = join(ROOT, ".tidemark");

/** Runs the suites on a server of the run's own, one after the other. */
export async function runCell({ server, node, suites, paths }: Cell): Promise<Outcome> {
  const bin = binOf(server);
  if ("why" in bin) return { kind: "not-run", why: bin.why };
  const program = fetched("node", node);
  if ("why" in program) return { kind: "not-run", why: program.why };
  mkdirSync(join(KEPT, "matrix"), { recursive: true });
  const log = join(KEPT, "matrix", `${server}-node-${node}.log`);
  rmSync(log, { force: true });
  const began = Date.now();
  const ran = { passed: 0, failures: [] as string[] };
  for (const suite of suites) {
    const { args, env } = RUNS[suite];
    const report = join(KEPT, "matrix", `${server}-node-${node}-${suite}.json`);
    rmSync(report, { force: true });
    const vitest = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", ...args, ...paths];
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const output = openSync(log, "a");
    const child = spawn(
      join(ROOT, "scripts/with-postgres.sh"),
      [bin.folder, join(program.folder, "node"), ...vitest, ...reporters],
      {
        cwd: ROOT,
        stdio: ["ignore", output, output],
        env: {
          ...process.env,
          ...env,
          PATH: `${program.folder}${delimiter}${process.env.PATH}`,
          WITH_SETTINGS: SETTINGS[server === "stock" ? "stock" : "fetched"],
        },
      },
    );
    const code = await new Promise<number | null>((done) => child.once("close", done));
    closeSync(output);
    const read = readReport(report);
    ran.passed += read.passed;
    ran.failures.push(...read.failures);
    if (code !== 0 && read.failures.length === 0) {
      ran.failures.push(`${suite}: ended with exit code ${code}, and no test that failed`);
    }
  }
  const seconds = Math.round((Date.now() - began) / 1_000);
  return { kind: "ran", ...ran, seconds, log: relative(ROOT, log) };
}

/** The suite opens more connections than a server has by itself; a stock one is as it is in all else. */
const SETTINGS = {
  stock: "-c max_connections=300",
  fetched: "-c max_connections=300 -c fsync=off -c full_page_writes=off",
};

/** Where Debian puts its servers, a folder each. */
const STOCK = "/usr/lib/postgresql";

type Found = { readonly folder: string } | { readonly why: string };

function binOf(server: Cell["server"]): Found {
  if (server !== "stock") return fetched("postgres", server);
  const newest = (existsSync(STOCK) ? readdirSync(STOCK) : [])
    .filter((major) => existsSync(join(STOCK, major, "bin/initdb")))
    .sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined
    ? { why: `there is no stock PostgreSQL (${STOCK}/*/bin/initdb)` }
    : { folder: join(STOCK, newest, "bin") };
}

function fetched(what: "postgres" | "node", version: string): Found {
  const folder = join(KEPT, what, version);
  const { status, stdout } = spawnSync(join(ROOT, `scripts/fetch-${what}.sh`), [version, folder], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return status === 0 ? { folder: join(folder, "bin") } : { why: stdout.trim() };
}

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** What vitest's JSON reporter wrote; nothing, if it wrote nothing. */
function readReport(file: string): { passed: number; failures: string[] } {
  if (!existsSync(file)) return { passed: 0, failures: [] };
  const report: Report = JSON.parse(readFileSync(file, "utf8"));
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const at = relative(ROOT, name);
    const failed = assertionResults.filter((one) => one.status === "failed");
    if (failed.length === 0 && status === "failed") return [`${at}: ${message.split("\n")[0]}`];
    return failed.map((one) => `${at}: ${one.fullName}`);
  });
  return { passed: report.numPassedTests, failures };
}
