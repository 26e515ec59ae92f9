import { afterEach, beforeEach } from "vitest";
import { createDatabase, type TestDatabase } from "./database.ts";
import { THREE } from "./history.ts";
import { createProject, type Project } from "./project.ts";
import { screen } from "./screen.ts";

export interface ProjectFixture {
  /** An empty database of the test's own. */
  readonly database: TestDatabase;
  /** A project of the test's own, with the migrations `THREE`. */
  readonly project: Project;
  /** Types a command in the project, for the database; what is on the screen then. */
  readonly tidemark: (...args: readonly string[]) => Promise<string>;
}

/** For each test of a file a project with three migrations, and a database for it. */
export function useProject(): ProjectFixture {
  let database: TestDatabase;
  let project: Project;

  beforeEach(async () => {
    database = await createDatabase();
    project = await createProject(THREE);
  });

  afterEach(async () => {
    await project.remove();
    await database.drop();
  });

  return {
    get database() {
      return database;
    },
    get project() {
      return project;
    },
    tidemark: async (...args) =>
      screen(await project.run(args, { DATABASE_URL: database.url }), { project: project.root }),
  };
}
