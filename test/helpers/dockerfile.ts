import { type Copy, DockerfileParser, type From, type JSONInstruction } from "dockerfile-ast";

export interface DockerStep {
  readonly keyword: string;
  /** What follows the keyword and its flags, on one line. */
  readonly text: string;
  /** The stage that a COPY takes from; undefined: the build context. */
  readonly from: string | undefined;
  /** The words of the exec form; undefined where a shell would run it. */
  readonly exec: readonly string[] | undefined;
}

export interface DockerStage {
  readonly name: string | undefined;
  readonly image: string;
  readonly steps: readonly DockerStep[];
}

export interface Dockerfile {
  /** Default values of the arguments before the first stage. */
  readonly args: Readonly<Record<string, string>>;
  readonly stages: readonly DockerStage[];
}

export function parseDockerfile(text: string): Dockerfile {
  const file = DockerfileParser.parse(text);
  const args: Record<string, string> = {};
  for (const arg of file.getInitialARGs()) {
    const property = arg.getProperty();
    if (property) args[property.getName()] = property.getValue() ?? "";
  }
  const stages: { name: string | undefined; image: string; steps: DockerStep[] }[] = [];
  for (const instruction of file.getInstructions()) {
    const keyword = instruction.getKeyword();
    if (keyword === "FROM") {
      const from = instruction as From;
      const name = from.getBuildStage() ?? undefined;
      stages.push({ name, image: from.getImage() ?? "", steps: [] });
      continue;
    }
    const raw = instruction.getRawArgumentsContent() ?? "";
    const line = raw.replaceAll(/\\\n\s*/g, " ");
    stages.at(-1)?.steps.push({
      keyword,
      text: line.replace(/^(--\S+\s+)+/, ""),
      from:
        keyword === "COPY"
          ? (instruction as Copy).getFromFlag()?.getValue() || undefined
          : undefined,
      exec: execForm(keyword, instruction as JSONInstruction),
    });
  }
  return { args, stages };
}

function execForm(keyword: string, instruction: JSONInstruction): readonly string[] | undefined {
  if (!["CMD", "ENTRYPOINT", "HEALTHCHECK"].includes(keyword)) return undefined;
  const strings = /\[.*\]/s.exec(instruction.getRawArgumentsContent() ?? "")?.[0];
  return strings === undefined ? undefined : (JSON.parse(strings) as string[]);
}
