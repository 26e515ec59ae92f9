/** What is only there for the users, and goes as it is. */
export const GONE = [
  "src/users",
  "src/app/user-pages.ts",
  "src/app/api/user-operations.ts",
  "src/app/api/user-schemas.ts",
  "src/app/api/org-operations.ts",
  "src/db/schema/users.ts",
  "src/db/schema/orgs.ts",
  "scripts/db-seed.ts",
  "scripts/seed-data.ts",
  "scripts/remove-users.ts",
  "scripts/users",
  "docs/users.md",
  "docs/without-the-users.md",
  "test/users",
  "test/helpers/users.ts",
  "test/helpers/user-rows.ts",
  "test/app/api.test.ts",
  "test/app/api-broken.test.ts",
  "test/app/app-role.test.ts",
  "test/app/command.test.ts",
  "test/app/drain.test.ts",
  "test/app/user-pages.test.ts",
  "test/app/users.test.ts",
  "test/projections/rebuild-users.test.ts",
  "test/project/session.long.test.ts",
  "test/helpers/console-session.ts",
  "test/helpers/app-command.ts",
  "test/project/remove-users.long.test.ts",
];

/** Packages that nothing else imports. */
export const PACKAGES = ["@node-rs/argon2", "@seriousme/openapi-schema-validator"];

/** In a file that stays: a text, and what takes its place. Each must be there. */
export const REPLACED: readonly {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}[] = [
  { file: "package.json", from: '    "db:seed": "tsx scripts/db-seed.ts",\n', to: "" },
  { file: "package.json", from: '    "users:remove": "tsx scripts/remove-users.ts",\n', to: "" },
  // What your own aggregates are made of is not unused.
  {
    file: "knip.json",
    from: '    "src/users/index.ts",\n',
    to: ["domain/index", "app/api/read", "app/api/operation", "app/api/schemas", "db/schema/checks"]
      .map((name) => `    "src/${name}.ts",\n`)
      .join(""),
  },
  { file: ".dependency-cruiser.json", from: "projections|users|main", to: "projections|main" },
  { file: "README.md", from: ", [users](docs/users.md).", to: "." },
  {
    file: "README.md",
    from: "| `/users`, `/orgs`, `/openapi.json` | 404, or with `API_TOKEN` for who sends it | [users and organisations](docs/users.md), for programs and as pages |",
    to: "| `/openapi.json`, your aggregates | 404, or with `API_TOKEN` for who sends it | [HTTP](docs/http.md) |",
  },
  { file: "README.md", from: "opens `/users` and `/orgs` on", to: "opens your aggregates on" },
  {
    file: "docs/your-own-aggregate.md",
    from: ", beside the users or [without them](without-the-users.md).",
    to: ".",
  },
  { file: "docs/projections.md", from: " · next: [Users and organisations](users.md)", to: "" },
  { file: "CONTRIBUTING.md", from: "domain ← users ← app", to: "domain ← app" },
  {
    file: "CONTRIBUTING.md",
    from: "| `call.ts`, `domain-error.ts` | `test/users` |",
    to: "| `call.ts`, `domain-error.ts` | `test/app` |",
  },
  {
    file: "CHANGELOG.md",
    from: "[Users and organisations](docs/users.md), and",
    to: "Users and organisations, and",
  },
  {
    file: "CHANGELOG.md",
    from: "\n  [Without the users](docs/without-the-users.md). What",
    to: "\n  What",
  },
];

/** Whole lines that go from tables: each line that has one of these. */
export const LINES: readonly { readonly file: string; readonly has: string }[] = [
  { file: "CONTRIBUTING.md", has: "| `src/users` |" },
  { file: "docs/MIGRATION_SYSTEM.md", has: "](users.md)" },
  { file: "docs/MIGRATION_SYSTEM.md", has: "](without-the-users.md)" },
];
