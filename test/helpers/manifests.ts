import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import { z } from "zod";

// Strict: a name that is misspelled, or stands one level too deep, is an error.
const number = z.number().int().positive();
const words = z.array(z.string()).nonempty();

const service = z.strictObject({
  build: z.string().optional(),
  image: z.string(),
  command: words.optional(),
  environment: z.record(z.string(), z.string()),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  depends_on: z
    .record(
      z.string(),
      z.strictObject({
        condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]),
      }),
    )
    .optional(),
  healthcheck: z
    .union([
      z.strictObject({ disable: z.literal(true) }),
      z.strictObject({
        test: words,
        interval: z.string(),
        timeout: z.string(),
        retries: number,
      }),
    ])
    .optional(),
  restart: z.enum(["no", "unless-stopped"]),
  stop_grace_period: z.string().regex(/^\d+[sm]$/),
});

const compose = z.strictObject({
  name: z.string(),
  services: z.strictObject({ database: service, init: service, migrate: service, app: service }),
  volumes: z.record(z.string(), z.null()),
});

export type Compose = z.infer<typeof compose>;

export async function readCompose(): Promise<Compose> {
  const [document] = await readDocuments("docker-compose.yml");
  return compose.parse(document);
}

const labels = z.record(z.string(), z.string());
const metadata = z.strictObject({ name: z.string(), labels });
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string(), port: z.string() }),
  periodSeconds: number,
  timeoutSeconds: number,
  failureThreshold: number.optional(),
});
const container = z.strictObject({
  name: z.string(),
  image: z.string(),
  command: words.optional(),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: number })).optional(),
  env: z.array(
    z.union([
      z.strictObject({ name: z.string(), value: z.string() }),
      z.strictObject({
        name: z.string(),
        valueFrom: z.strictObject({
          secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }),
        }),
      }),
    ]),
  ),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  lifecycle: z
    .strictObject({ preStop: z.strictObject({ exec: z.strictObject({ command: words }) }) })
    .optional(),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
    limits: z.strictObject({ memory: z.string() }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
});
const template = z.strictObject({
  metadata: z.strictObject({ labels }),
  spec: z.strictObject({
    restartPolicy: z.literal("Never").optional(),
    automountServiceAccountToken: z.literal(false),
    terminationGracePeriodSeconds: number,
    securityContext: z.strictObject({
      runAsNonRoot: z.literal(true),
      runAsUser: number,
      runAsGroup: number,
      seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
    }),
    containers: z.tuple([container]),
  }),
});
const job = z.strictObject({
  apiVersion: z.literal("batch/v1"),
  kind: z.literal("Job"),
  metadata,
  spec: z.strictObject({
    backoffLimit: number,
    podFailurePolicy: z.strictObject({
      rules: z.tuple([
        z.strictObject({
          action: z.literal("FailJob"),
          onExitCodes: z.strictObject({
            containerName: z.string(),
            operator: z.literal("In"),
            values: z.array(number),
          }),
        }),
        z.strictObject({
          action: z.literal("Ignore"),
          onPodConditions: z.tuple([z.strictObject({ type: z.literal("DisruptionTarget") })]),
        }),
      ]),
    }),
    ttlSecondsAfterFinished: number,
    template,
  }),
});
const deployment = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata,
  spec: z.strictObject({
    replicas: number,
    progressDeadlineSeconds: number,
    strategy: z.strictObject({
      type: z.literal("RollingUpdate"),
      rollingUpdate: z.strictObject({ maxUnavailable: z.literal(0), maxSurge: number }),
    }),
    selector: z.strictObject({ matchLabels: labels }),
    template,
  }),
});
const clusterService = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata,
  spec: z.strictObject({
    selector: labels,
    ports: z.tuple([z.strictObject({ name: z.string(), port: number, targetPort: z.string() })]),
  }),
});

export type Container = z.infer<typeof container>;

/** The Job, the Deployment, the Service: nothing else, no Secret above all. */
export async function readKubernetes() {
  const documents = await readDocuments("deploy/kubernetes.yaml");
  const [job_, deployment_, service_] = z.tuple([job, deployment, clusterService]).parse(documents);
  return { job: job_, deployment: deployment_, service: service_ };
}

async function readDocuments(file: string): Promise<readonly unknown[]> {
  const documents = parseAllDocuments(await readFile(file, "utf8"), { merge: true });
  return documents.map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS() as unknown;
  });
}
