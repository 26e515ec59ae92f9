import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { createProgram } from "../../src/cli/program.ts";

interface Step {
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly if?: string;
}

test("the workflow verifies a pull request against its base, which it has fetched", async () => {
  const workflow = parse(await readFile(".github/workflows/verify.yml", "utf8"));
  const steps: readonly Step[] = workflow.jobs.migrations.steps;
  expect(workflow.on).toHaveProperty("pull_request");
  const checkout = steps.find(({ uses }) => uses?.startsWith("actions/checkout@"));
  expect(checkout?.with).toEqual({ "fetch-depth": 0 });
  const { scripts } = JSON.parse(await readFile("package.json", "utf8"));
  const verifying = steps.filter((step) => step.run?.includes("db:verify"));
  expect(verifying.map((step) => step.if)).toEqual([
    "github.event_name == 'pull_request'",
    "github.event_name != 'pull_request'",
  ]);
  const verify = createProgram(() => undefined).commands.find(
    (command) => command.name() === "verify",
  );
  const options = verify?.options.map(({ long }) => long);
  for (const step of verifying) {
    const [command, rest = ""] = (step.run ?? "").split(" -- ");
    expect(scripts).toHaveProperty([command?.split(" ").at(-1) ?? ""]);
    const given = rest.match(/--[a-z-]+/g) ?? [];
    expect(given.length).toBeGreaterThan(0);
    expect(options).toEqual(expect.arrayContaining(given));
  }
  expect(verifying[0]?.run).toMatch(/--base "origin\/\$\{\{ github\.base_ref \}\}"/);
});
